"""Submit a SQL job to DLI (``submit FILE``, prints its id) or wait for its end (``wait ID``, fails if it failed).

Needs nothing but Python. IAM_URL, DLI_URL, PROJECT_ID, DOMAIN, USER and PASSWORD_FILE say where and as whom.
"""

import json
import os
import sys
import time
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

JOBS = f"{os.environ['DLI_URL']}/v1.0/{os.environ['PROJECT_ID']}/jobs"
EVERY = 5
"""Seconds between two looks."""


def ask(url: str, body: object = None, token: str = "") -> tuple[Message, Any]:
    """Return headers and content of an answer; an OSError tells what went wrong."""
    headers = {"Content-Type": "application/json", "X-Auth-Token": token}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
        return answer.headers, json.load(answer)


def login() -> str:
    """Return a token of the project."""
    password = Path(os.environ["PASSWORD_FILE"]).read_text().strip()
    user = {"domain": {"name": os.environ["DOMAIN"]}, "name": os.environ["USER"], "password": password}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"id": os.environ["PROJECT_ID"]}}
    url = os.environ["IAM_URL"] + "/v3/auth/tokens"
    return str(ask(url, {"auth": {"identity": identity, "scope": scope}})[0]["X-Subject-Token"])


def submit(file: str) -> None:
    """Submit the statement in a file and print the id of its job."""
    answer = ask(JOBS + "/submit-job", {"sql": Path(file).read_text()}, login())[1]
    if not answer["is_success"]:
        sys.exit(answer["message"])
    print(answer["job_id"])


def wait(job_id: str) -> None:
    """Return once the job has finished; exit with its message if it failed or was cancelled."""
    token = login()
    while True:
        try:
            answer = ask(f"{JOBS}/{job_id}/status", token=token)[1]
        except OSError as error:  # the job goes on, whatever hinders the question
            print(f"{error}; asking again", file=sys.stderr)
            if getattr(error, "code", None) == 401:  # the token has lived its 24 hours
                token = login()
        else:
            if answer["status"] == "FINISHED":
                return
            if answer["status"] in {"FAILED", "CANCELLED"}:
                sys.exit(answer["message"] or answer["status"])
        time.sleep(EVERY)


if __name__ == "__main__":
    {"submit": submit, "wait": wait}[sys.argv[1]](sys.argv[2])
