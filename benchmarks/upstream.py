"""The pretend cloud of the measurements: nginx, which answers from files and costs the measured process nothing."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.bodies import VARIANTS, files
from benchmarks.process import free_port, wait_for_port

CONFIG = """
worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; open_file_cache max=1000; sendfile on;
  tcp_nodelay on; default_type application/json; root {home}/answers;
  client_body_temp_path {home}/1; proxy_temp_path {home}/2; fastcgi_temp_path {home}/3; uwsgi_temp_path {home}/4;
  scgi_temp_path {home}/5;
  split_clients $uri $of_job {{ {split} }}
  split_clients $request_id $of_call {{ {split} }}
  server {{ listen 127.0.0.1:{fixed}; location / {{ try_files /dli-fixed =404; }} }}
  server {{ listen 127.0.0.1:{same}; set $any $of_job; {locations} }}
  server {{ listen 127.0.0.1:{changing}; set $any $of_call; {locations} }}
}}
"""
LOCATIONS = """
  location /v1/ { try_files /dli-$any =404; }
  location /v1.0/ { try_files /dws-$any =404; }
  location /v1.1/ { try_files /cdm-running-$any =404; }
  location ~ ^/v1.0/[^/]+/jobs$ { try_files /dli-list =404; }
  location ~ /cdm/job/all$ { try_files /cdm-list =404; }
  location ~ /job/ended- { try_files /cdm-ended-$of_job =404; }
"""


class Upstream(NamedTuple):
    """Base URLs by what they answer."""

    fixed: str
    """The same body for every call."""
    same: str
    """A job's own body, the same at each call."""
    changing: str
    """Another body at each call, but for runs that ended."""


@contextmanager
def upstream() -> Iterator[Upstream]:
    """Run nginx on loopback until the block ends."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        sys.exit("the benchmarks need nginx as the cloud that is asked; install it, or run with --only estimates")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)  # its worker may run as another user
        answers = home / "answers"
        answers.mkdir()
        for file, body in files().items():
            (answers / file).write_bytes(body)
        ports = {"fixed": free_port(), "same": free_port(), "changing": free_port()}
        shares = " ".join(f"{100 / VARIANTS:.2f}% {number};" for number in range(VARIANTS - 1))
        split = f"{shares} * {VARIANTS - 1};"
        config = home / "nginx.conf"
        config.write_text(CONFIG.format(home=home, split=split, locations=LOCATIONS, **ports))
        with subprocess.Popen([program, "-p", name, "-c", str(config), "-e", f"{name}/error.log"]) as process:
            try:
                for port in ports.values():
                    wait_for_port(port)
                yield Upstream(**{way: f"http://127.0.0.1:{port}" for way, port in ports.items()})
            finally:
                process.terminate()
