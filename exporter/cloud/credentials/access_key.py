"""Credentials: an access key, permanent or temporary, in the settings or in files."""

import time
from collections.abc import Callable
from pathlib import Path

from exporter.cloud.credentials import Call
from exporter.cloud.credentials.secret_files import SecretFiles, one_word
from exporter.cloud.credentials.signing import Signer, key_name
from exporter.model.errors import PollError, SettingsError
from exporter.model.reason import Reason


class AccessKey:
    """Signs each call with an access key.

    Each of *key_id*, *secret* and *security_token* is given plain or as a file; the token is optional. The files
    are read together, and again when one of them changes. *monotonic* is the clock for that, in seconds.
    Raises :class:`~exporter.model.errors.SettingsError` if key id or secret is not given, or one is given twice.
    """

    def __init__(
        self,
        *,
        key_id: str = "",
        key_id_file: Path | None = None,
        secret: str = "",
        secret_file: Path | None = None,
        security_token: str = "",
        security_token_file: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        identity: str = "",
    ) -> None:
        given: dict[str, tuple[str, Path | None]] = {
            "key_id": (key_id, key_id_file),
            "secret": (secret, secret_file),
            "security_token": (security_token, security_token_file),
        }
        mistakes = [f"access_key.{name}: give {name} or {name}_file, not both" for name in given if all(given[name])]
        mistakes += [
            f"access_key.{name}: give {name} or {name}_file" for name in ("key_id", "secret") if not any(given[name])
        ]
        if mistakes:
            raise SettingsError(mistakes)
        self._plain = {name: plain for name, (plain, _) in given.items()}
        named = {name: path for name, (_, path) in given.items() if path is not None}
        self._named = tuple(named)
        self._files = SecretFiles(tuple(named.values()), monotonic)
        self._home = ", ".join(map(str, named.values()))
        self._contents: tuple[str, ...] | None = None
        self._signer: Signer | None = None
        self._identity = key_name(key_id) if key_id else identity

    def __repr__(self) -> str:
        return f"AccessKey({self.identity!r})"

    @property
    def identity(self) -> str:
        """The name of the key that was in use first, or where it is to be found if that could not be read then.

        A key that is rotated belongs to the same user, so its budget stays the same one.
        """
        if not self._identity:
            try:
                self._identity = self._signer_of(self._files.known).name
            except PollError:
                self._identity = f"access key in {self._home}"
        return self._identity

    @property
    def in_use(self) -> str:
        """The name of the key that signs now."""
        try:
            return self._signer_of(self._files.known).name
        except PollError:
            return self.identity

    @property
    def signs(self) -> bool:
        """Yes."""
        return True

    @property
    def expires_at(self) -> None:
        """Nobody says when the security token of a temporary key expires."""

    @property
    def generation(self) -> int:
        """How often other contents of the files were read."""
        return self._files.generation

    async def headers(self, call: Call) -> dict[str, str]:
        """Sign *call*; raises :class:`~exporter.model.errors.PollError` while there is no usable key."""
        return self._signer_of(await self._files.contents()).headers(call)

    async def renew(self, refused: int) -> None:
        """Look at the files again at once."""
        if self.generation == refused:
            await self._files.look_again()

    async def load(self) -> None:
        """Read the files."""
        await self._files.look_again()

    def _signer_of(self, contents: tuple[str, ...] | None) -> Signer:
        if contents is None:
            raise PollError(Reason.AUTH, f"the files of the access key are not read yet: {self._home}")
        # The same tuple comes back until a file changes.
        if self._signer is None or contents is not self._contents:
            values = self._plain | dict(zip(self._named, contents, strict=True))
            key_id = one_word(values["key_id"], "access key id")
            secret = one_word(values["secret"], f"secret of access key {key_name(key_id)}")
            token = values["security_token"] and one_word(values["security_token"], "security token")
            self._signer, self._contents = Signer(key_id, secret, token), contents
        return self._signer
