"""Keys and tokens: plain, in files, in files that change."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from exporter.cloud.credentials import Call, Credentials
from exporter.cloud.credentials.access_key import AccessKey
from exporter.cloud.credentials.signing import Signer, key_name
from exporter.cloud.credentials.token_file import TokenFile
from exporter.config.files import SECRET_LIMIT, secret
from exporter.local_files import read_regular
from exporter.model.errors import PollError, SettingsError
from exporter.model.reason import Reason

CALL = Call("GET", "dli.example.com", "/v1/p/jobs/j/progress", 1_700_000_000)


class Ticks:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


async def refusal(credentials: Credentials) -> PollError:
    with pytest.raises(PollError) as caught:
        await credentials.headers(CALL)
    return caught.value


class TestAccessKey:
    async def test_a_plain_key_signs(self) -> None:
        key: Credentials = AccessKey(key_id="AK", secret="SK", security_token="T")

        assert Signer("AK", "SK", "T").headers(CALL) == await key.headers(CALL)
        assert key.identity == key_name("AK")

    async def test_line_breaks_at_the_end_of_a_file_do_not_count(self, tmp_path: Path) -> None:
        key = AccessKey(
            key_id_file=write(tmp_path / "ak", "AK\n"),
            secret_file=write(tmp_path / "sk", b"\xef\xbb\xbfSK\r\n"),
            security_token_file=write(tmp_path / "token", "T\n\n"),
        )

        assert Signer("AK", "SK", "T").headers(CALL) == await key.headers(CALL)
        assert key.identity == key_name("AK")

    async def test_a_rotated_set_is_read_again_as_a_whole(self, tmp_path: Path, ticks: Ticks) -> None:
        ak, sk = write(tmp_path / "ak", "AK1"), write(tmp_path / "sk", "SK1")
        key = AccessKey(key_id_file=ak, secret_file=sk, monotonic=ticks)
        await key.headers(CALL)

        write(ak, "AK2")
        write(sk, "SK2")
        ticks.at += 0.9
        assert Signer("AK1", "SK1").headers(CALL) == await key.headers(CALL)
        ticks.at += 0.2
        assert Signer("AK2", "SK2").headers(CALL) == await key.headers(CALL)

    async def test_the_files_are_looked_at_once_a_second(
        self, tmp_path: Path, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sk = write(tmp_path / "sk", "SK")
        key = AccessKey(key_id="AK", secret_file=sk, monotonic=ticks)
        await key.headers(CALL)
        looks: list[Path] = []
        stat = Path.stat

        def counting(path: Path) -> os.stat_result:
            looks.append(path)
            return stat(path)

        monkeypatch.setattr(Path, "stat", counting)

        for _ in range(50):
            ticks.at += 0.1
            await key.headers(CALL)

        assert len(looks) in (4, 5)

    async def test_a_replaced_file_of_the_same_size_and_time_is_seen(self, tmp_path: Path, ticks: Ticks) -> None:
        sk = write(tmp_path / "sk", "SK1")
        key = AccessKey(key_id="AK", secret_file=sk, monotonic=ticks)
        await key.headers(CALL)
        before = sk.stat()

        other = write(tmp_path / "new", "SK2")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(sk)
        ticks.at += 1

        assert Signer("AK", "SK2").headers(CALL) == await key.headers(CALL)

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(None, id="gone"),
            pytest.param(b"", id="empty"),
            pytest.param(b"\n", id="only a line break"),
            pytest.param(b"\xff\xfe", id="not text"),
            pytest.param(b"x" * (SECRET_LIMIT + 1), id="too long"),
        ],
    )
    async def test_the_last_good_set_stays_while_a_file_is_being_replaced(
        self, tmp_path: Path, ticks: Ticks, content: bytes | None
    ) -> None:
        ak, sk = write(tmp_path / "ak", "AK1"), write(tmp_path / "sk", "SK1")
        key = AccessKey(key_id_file=ak, secret_file=sk, monotonic=ticks)
        await key.headers(CALL)

        write(ak, "AK2")
        if content is None:
            sk.unlink()
        else:
            write(sk, content)
        ticks.at += 1
        assert Signer("AK1", "SK1").headers(CALL) == await key.headers(CALL)

        write(sk, "SK2")
        ticks.at += 1
        assert Signer("AK2", "SK2").headers(CALL) == await key.headers(CALL)

    async def test_a_set_replaced_while_it_is_read_is_not_taken(
        self, tmp_path: Path, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ak, sk = write(tmp_path / "ak", "AK1"), write(tmp_path / "sk", "SK1")
        key = AccessKey(key_id_file=ak, secret_file=sk, monotonic=ticks)
        await key.headers(CALL)
        write(ak, "AK2-half")
        read = read_regular

        def rotating(path: Path, most: int) -> bytes:
            if path == sk:
                monkeypatch.undo()
                write(ak, "AK3")
                write(sk, "SK3")
            return read(path, most)

        monkeypatch.setattr("exporter.cloud.credentials.secret_files.read_regular", rotating)
        ticks.at += 1
        assert Signer("AK1", "SK1").headers(CALL) == await key.headers(CALL)
        ticks.at += 1
        assert Signer("AK3", "SK3").headers(CALL) == await key.headers(CALL)

    async def test_a_file_that_never_was_is_named_and_found_later(self, tmp_path: Path, ticks: Ticks) -> None:
        ak = tmp_path / "ak"
        key = AccessKey(key_id_file=ak, secret="SK", monotonic=ticks)

        error = await refusal(key)
        assert error.reason is Reason.AUTH
        assert str(ak) in error.sentence
        assert str(ak) in key.identity

        write(ak, "AK")
        ticks.at += 1
        assert Signer("AK", "SK").headers(CALL) == await key.headers(CALL)
        assert str(ak) in key.identity  # its budget and its gate stay the same ones

    async def test_other_contents_are_another_generation_of_the_same_identity(
        self, tmp_path: Path, ticks: Ticks
    ) -> None:
        ak, sk = write(tmp_path / "ak", "AK1"), write(tmp_path / "sk", "SK1")
        key: Credentials = AccessKey(key_id_file=ak, secret_file=sk, monotonic=ticks)
        await key.load()
        first, identity = key.generation, key.identity
        write(sk, "SK1")
        ticks.at += 1
        await key.headers(CALL)
        assert key.generation == first

        write(ak, "AK2")
        write(sk, "SK2")
        await key.headers(CALL)
        assert key.generation == first
        ticks.at += 1
        await key.headers(CALL)
        assert key.generation != first
        assert key.identity == identity == key_name("AK1")
        assert key.expires_at is None

    async def test_a_refused_key_is_looked_for_at_once(self, tmp_path: Path, ticks: Ticks) -> None:
        sk = write(tmp_path / "sk", "SK1")
        key = AccessKey(key_id="AK", secret_file=sk, monotonic=ticks)
        await key.load()
        refused = key.generation
        await key.renew(refused)
        assert key.generation == refused

        write(sk, "SK2")
        await key.renew(refused)
        assert key.generation != refused
        assert Signer("AK", "SK2").headers(CALL) == await key.headers(CALL)

    @pytest.mark.parametrize(
        ("key_id", "secret", "told"),
        [
            pytest.param("A\nK", "SK", "access key id", id="line break in the id"),
            pytest.param("AK", "S\r\nX-Evil: 1", f"secret of access key {key_name('AK')}", id="header in the secret"),
            pytest.param("AK", "S\x00K", f"secret of access key {key_name('AK')}", id="null byte"),
            pytest.param("AK", "S K", f"secret of access key {key_name('AK')}", id="space"),
        ],
    )
    async def test_a_key_that_is_none_is_refused_without_being_told(self, key_id: str, secret: str, told: str) -> None:
        error = await refusal(AccessKey(key_id=key_id, secret=secret))

        assert error.reason is Reason.AUTH
        assert told in error.sentence
        assert secret not in error.sentence

    def test_every_mistake_is_told_at_once(self) -> None:
        with pytest.raises(SettingsError) as caught:
            AccessKey(secret="a", secret_file=Path("b"))

        assert [line.split(":")[0] for line in caught.value.mistakes] == ["access_key.secret", "access_key.key_id"]

    async def test_it_never_shows_a_secret(self, tmp_path: Path) -> None:
        sk = write(tmp_path / "sk", "hidden")
        keys = [
            AccessKey(key_id="AK", secret_file=sk),
            AccessKey(key_id="AK", secret="hidden", security_token="hidden"),
        ]
        for key in keys:
            await key.headers(CALL)

        assert {repr(key) for key in keys} == {f"AccessKey({key_name('AK')!r})"}


class TestTokenFile:
    async def test_a_plain_token_is_sent(self) -> None:
        token: Credentials = TokenFile(token=" MIIabc== \n")

        assert await token.headers(CALL) == {"X-Auth-Token": "MIIabc=="}

    async def test_a_renewed_token_is_read_again_and_is_the_same_identity(self, tmp_path: Path, ticks: Ticks) -> None:
        path = write(tmp_path / "token", "one\n")
        token = TokenFile(token_file=path, monotonic=ticks)
        identity = token.identity
        assert await token.headers(CALL) == {"X-Auth-Token": "one"}

        write(path, "two\n")
        ticks.at += 1
        assert await token.headers(CALL) == {"X-Auth-Token": "two"}
        assert identity == token.identity

    async def test_a_refused_token_is_looked_for_at_once(self, tmp_path: Path, ticks: Ticks) -> None:
        path = write(tmp_path / "token", "one")
        token: Credentials = TokenFile(token_file=path, monotonic=ticks)
        await token.load()
        refused = token.generation
        write(path, "two")
        assert token.generation == refused
        await token.renew(refused + 1)
        assert token.generation == refused
        await token.renew(refused)
        assert token.generation != refused
        assert await token.headers(CALL) == {"X-Auth-Token": "two"}
        assert token.expires_at is None

    @pytest.mark.parametrize("text", ["a\nb", "a\r\nX-Evil: 1", "a\x00", "a b", "\n", "tök"])
    async def test_a_token_that_is_none_is_refused(self, tmp_path: Path, text: str) -> None:
        error = await refusal(TokenFile(token_file=write(tmp_path / "token", text)))

        assert error.reason is Reason.AUTH

    def test_it_never_shows_the_token(self) -> None:
        token = TokenFile(token="hidden")

        assert "hidden" not in repr(token) + token.identity
        assert token.identity != TokenFile(token="other").identity

    @pytest.mark.parametrize("given", [{}, {"token": "a", "token_file": Path("b")}])
    def test_it_wants_a_token_or_a_file(self, given: dict[str, object]) -> None:
        with pytest.raises(SettingsError):
            TokenFile(**given)  # type: ignore[arg-type]


async def test_a_disk_that_hangs_holds_up_neither_the_loop_nor_a_call_with_a_known_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sk = write(tmp_path / "sk", "SK1")
    key = AccessKey(key_id="AK", secret_file=sk)
    await key.load()
    mounted, stat = threading.Event(), Path.stat

    def hanging(path: Path) -> os.stat_result:
        mounted.wait(30)
        return stat(path)

    monkeypatch.setattr(Path, "stat", hanging)
    try:
        renewal = asyncio.create_task(key.renew(key.generation))
        await asyncio.sleep(0.05)  # would not end, were the file looked at in the loop
        assert not renewal.done()
        assert Signer("AK", "SK1").headers(CALL) == await key.headers(CALL)
        await renewal
    finally:
        mounted.set()


async def test_a_secret_is_read_as_the_configuration_is_checked(tmp_path: Path) -> None:
    for number, content in enumerate((b"\xef\xbb\xbfSK\r\n", b"SK\n\n", b" SK", b"SK")):
        sk = write(tmp_path / f"sk {number}", content)
        assert secret(sk) == sk
        assert Signer("AK", "SK").headers(CALL) == await AccessKey(key_id="AK", secret_file=sk).headers(CALL)
    for number, content in enumerate((b"", b"\r\n", b"\xff\xfe", b"x" * (SECRET_LIMIT + 1))):
        sk = write(tmp_path / f"bad {number}", content)
        with pytest.raises(ValueError, match="the file"):
            secret(sk)
        assert (await refusal(AccessKey(key_id="AK", secret_file=sk))).reason is Reason.AUTH
