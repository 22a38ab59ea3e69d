"""Credentials: an IAM user and a password, for which IAM returns a token.

Source: IAM API reference, "Obtaining a User Token Through Password Authentication" (KeystoneCreateUserTokenByPassword).
A token is valid for 24 hours, and a new token does not invalidate the old one.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporter.clock import Clock
from exporter.cloud.credentials import Bare, Call
from exporter.cloud.credentials.renewable import Lease, Logins, Renewable, expiry
from exporter.cloud.credentials.secret_files import one_word
from exporter.cloud.iam import REMEDY, is_asked
from exporter.cloud.identity_calls import IAM_LIMIT, IamCalls
from exporter.cloud.identity_errors import identity_refusal
from exporter.cloud.response import Response
from exporter.model.errors import PollError, SettingsError
from exporter.model.reason import Reason
from exporter.services import json_fields
from exporter.services.document import json_object
from exporter.services.request import Request

_RENEWED_WITHIN: Final = 12 * 3600.0
"""Seconds; half the life of a token, so that IAM may be down for as long again before anything is missed."""
_UNTOLD: Final = 3600.0
"""Seconds after which a token of which nobody said when it expires is renewed."""
_TOKEN: Final = "x-subject-token"  # noqa: S105 - the name of a header


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the project that it is for."""

    text: str = field(repr=False)
    project_id: str
    """Empty if IAM did not tell, or not of which project: the id of another one is never taken for ours."""


class Password(Renewable[Token]):
    """Sends a token of the project as ``X-Auth-Token``.

    The password is given plain or as a file, which is read again when it changes. Without *project_id* the token is
    for the project that is called *project_name*, or else like *region*. *logins* are those of all projects of the
    user. Raises :class:`~exporter.model.errors.SettingsError` unless exactly one of password and file is given.
    """

    def __init__(
        self,
        *,
        domain: str,
        user: str,
        region: str,
        iam: IamCalls,
        iam_url: str,
        clock: Clock,
        password: str = "",
        password_file: Path | None = None,
        project_id: str = "",
        project_name: str = "",
        logins: Logins | None = None,
    ) -> None:
        if bool(password) == bool(password_file):
            raise SettingsError(["password: give a password or a password_file, one of them"])
        # A wrong password that is tried again and again locks the user out, and one who is locked stays so.
        super().__init__([password_file] if password_file else [], clock, (Reason.AUTH, Reason.PERMISSION), logins)
        self._user = {"name": user, "domain": {"name": domain}}
        self._identity = f"user {user} of {domain}"
        self._password = password
        self._part, self._asked = ("id", project_id) if project_id else ("name", project_name or region)
        self._iam = iam
        self._iam_url = iam_url

    @property
    def identity(self) -> str:
        """The user and the account."""
        return self._identity

    @property
    def signs(self) -> bool:
        """No: a token of the project is sent."""
        return False

    async def headers(self, call: Call) -> dict[str, str]:
        """Return the token; raises :class:`~exporter.model.errors.PollError` if none is to be had."""
        del call
        return {"X-Auth-Token": (await self._proof()).text}

    async def project_id(self) -> str:
        """Return the id of the project that the token is for: IAM's answer holds it."""
        project_id = (await self._proof()).project_id
        if not project_id:
            raise PollError(Reason.CONFIG, f"IAM gave a token, but not the id of its project; {REMEDY}")
        return project_id

    async def _fetch(self, contents: tuple[str, ...]) -> Lease[Token]:
        password = contents[0] if contents else self._password
        identity = {"methods": ["password"], "password": {"user": {**self._user, "password": password}}}
        body = json.dumps({"auth": {"identity": identity, "scope": {"project": {self._part: self._asked}}}}).encode()
        request = Request(
            "KeystoneCreateUserTokenByPassword", "/v3/auth/tokens", IAM_LIMIT, (("nocatalog", "true"),), "POST", body
        )
        answer = await self._iam.send(self._iam_url, request, Bare(identity=self._identity), keep=(_TOKEN,))
        if answer.status != 201:
            raise self._refusal(answer, password)
        if _TOKEN not in answer.headers:
            raise PollError(Reason.PAYLOAD, "IAM answered without a token; check projects.<name>.endpoints.iam")
        text = one_word(answer.headers[_TOKEN], "token of IAM", Reason.PAYLOAD)
        reported = json_fields.Fields(json_object(answer.body), []).object("token") or {}
        token = Token(text, self._project_of(json_fields.Fields(reported, []).within("project")))
        now = self._clock.now()
        expires_at = expiry(reported.get("expires_at"), answer, now)
        life = _UNTOLD if expires_at is None else (expires_at - now) / 2
        return Lease(token, expires_at, now + min(life, _RENEWED_WITHIN))

    def _project_of(self, reported: json_fields.Fields) -> str:
        """Return the id of the project that IAM gave the token for, empty if it does not tell which one that is.

        Raises :class:`PollError` if it is another one than was asked for: no call is made with that token.
        """
        if reported.text(self._part) is None:
            return ""
        if not is_asked(reported, self._part, self._asked):
            raise PollError(
                Reason.CONFIG,
                f"IAM gave a token of another project than that of the {self._part} {self._asked}; check cloud, region,"
                " project_name, project_id and endpoints.iam of the project",
            )
        return reported.text("id") or ""

    def _refusal(self, answer: Response, password: str) -> PollError:
        sentences = {
            Reason.API: "IAM gave no token; check cloud, region, project_id and endpoints.iam of the project",
            Reason.AUTH: f"IAM refused the {self._identity}; check domain, user and password under credentials, that"
            " the user may use programs and is not locked, and region or project_id",
            Reason.PERMISSION: f"IAM does not let the {self._identity} in; check the user's access rules in IAM, and"
            " that the user is not locked",
            Reason.THROTTLED: "IAM throttles calls for tokens; it is asked again later",
            Reason.SERVER: "IAM failed to answer the call for a token",
        }
        error = identity_refusal(answer, sentences, self._clock.now(), proves=True)
        error.refused = error.refused or error.reason is Reason.PERMISSION
        if password in error.text or json.dumps(password)[1:-1] in error.text:
            error.text = ""  # whatever repeats it would be on the page
        return error
