"""Credentials: an IAM token that something else renews."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from exporter.cloud.credentials import Call
from exporter.cloud.credentials.secret_files import SecretFiles, one_word
from exporter.model.errors import SettingsError


class TokenFile:
    """Sends a token as ``X-Auth-Token``.

    The token is given plain or as a file, which is read again when it changes. *monotonic* is the clock for that,
    in seconds. Raises :class:`~exporter.model.errors.SettingsError` unless exactly one of the two is given.
    """

    def __init__(
        self,
        *,
        token: str = "",
        token_file: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if bool(token) == bool(token_file):
            raise SettingsError(["token_file: give a token or a token_file, one of them"])
        self._token = token
        self._files = SecretFiles([token_file] if token_file else [], monotonic)
        # A file is the same identity after its token is renewed; a rate budget must not start again with each.
        self._identity = f"token in {token_file}" if token_file else f"token {_digest(token)}"

    def __repr__(self) -> str:
        return f"TokenFile({self._identity!r})"

    @property
    def identity(self) -> str:
        """Where the token is kept, or a short digest of a plain one."""
        return self._identity

    @property
    def in_use(self) -> str:
        """The same: a token has no name."""
        return self._identity

    @property
    def signs(self) -> bool:
        """No: the token is sent as it is."""
        return False

    @property
    def expires_at(self) -> None:
        """A token does not say when it expires."""

    @property
    def generation(self) -> int:
        """How often another token was read."""
        return self._files.generation

    async def headers(self, call: Call) -> dict[str, str]:
        """Return the token; raises :class:`~exporter.model.errors.PollError` of reason ``auth`` if it is unfit."""
        del call
        contents = await self._files.contents()
        return {"X-Auth-Token": one_word(contents[0] if contents else self._token, "token")}

    async def renew(self, refused: int) -> None:
        """Look at the file again at once."""
        if self.generation == refused:
            await self._files.look_again()

    async def load(self) -> None:
        """Read the file."""
        await self._files.look_again()


def _digest(token: str) -> str:
    return hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).hexdigest()[:12]
