"""Users and their passwords: who is let in, what is remembered, and that a flood of wrong ones harms nobody else."""

import asyncio
import base64
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import bcrypt
import pytest

from exporter.config.web_file import WebConfig, read_web_config
from exporter.web.listening import passwords
from exporter.web.listening.passwords import AT_ONCE, MOST_WAITING, NOBODY, OF_ONE_ADDRESS, REMEMBERED, Passwords
from exporter.web.listening.turn_queue import BusyError, TurnQueue
from tests.web.certificates import door, get


def hashed(password: str) -> bytes:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).replace(b"$2b$", b"$2y$")


USERS = {b"alice": hashed("alice123"), b"bob:x": hashed("b"), "zoë".encode(): hashed("pässword: with ü")}


class Checks:
    """Counts the checks of passwords, and holds them up until it is opened."""

    def __init__(self) -> None:
        self.of: Counter[bytes] = Counter()
        self.costs: set[bytes] = set()
        self.at_once = self.most_at_once = 0
        self.held = b""
        """How the passwords begin whose checks are held up."""
        self.open = threading.Event()
        self.open.set()

    def __call__(self, password: bytes, wanted: bytes) -> bool:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.of[password] += 1
        self.costs.add(wanted[4:6])
        assert not password.startswith(self.held) or self.open.wait(60)
        self.at_once -= 1
        return bcrypt.checkpw(password, wanted)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Checks]:
    counting = Checks()
    monkeypatch.setattr(passwords, "_matches", counting)
    yield counting
    counting.open.set()


@pytest.mark.parametrize(
    ("user", "password", "expected"),
    [
        (None, "", 401),
        ("alice", "alice123", 200),
        ("zoë", "pässword: with ü", 200),
        ("alice", "alice1234", 401),
        ("alice", "", 401),
        ("Alice", "alice123", 401),
        ("nobody", "alice123", 401),
        ("", "", 401),
    ],
)
async def test_who_knows_the_password_is_let_in(user: str | None, password: str, expected: int) -> None:
    async with door(WebConfig(users=USERS)) as (address, _):
        status, headers = await get(address, user=user, password=password)

    assert status == expected
    assert headers.get("WWW-Authenticate") == ("Basic" if expected == 401 else None)


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/jobs", "/static/page.css", "/none"]
)
async def test_every_path_asks_for_a_password(path: str) -> None:
    async with door(WebConfig(users=USERS)) as (address, _), aiohttp.ClientSession() as session:
        async with session.get(address + path) as answer:
            assert answer.status == 401
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        async with session.post(f"{address}/-/reload") as answer:
            assert answer.status == 401


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !",
        "Basic YWxpY2U=",
        "Basic YWxpY2U6YWxpY2UxMjM",
        "Bearer YWxpY2U6YWxpY2UxMjM=",
        "YWxpY2U6YWxpY2UxMjM=",
        "Basic  YWxpY2U6YWxpY2UxMjM=",
        "Basic é",
    ],
)
async def test_what_is_no_user_and_password_is_refused(header: str) -> None:
    async with door(WebConfig(users=USERS)) as (address, _):
        assert (await get(address, headers={"Authorization": header}))[0] == 401


async def test_the_scheme_is_read_in_any_case() -> None:
    async with door(WebConfig(users=USERS)) as (address, _):
        for scheme in ("Basic", "basic", "BASIC"):
            credentials = base64.b64encode(b"alice:alice123").decode()
            assert (await get(address, headers={"Authorization": f"{scheme} {credentials}"}))[0] == 200


async def test_the_password_that_unknown_users_are_compared_with_lets_nobody_in() -> None:
    known = Passwords()
    users = {b"alice": NOBODY}

    assert await known.accepts(users, b"alice", b"fakepassword", "a"), "it is the same check that finds it right"
    assert [await known.accepts(users, b"nobody", b"fakepassword", "a") for _ in range(2)] == [False, False]


async def test_user_hash_and_password_cannot_be_shifted_into_each_other() -> None:
    """As they could where a key was joined of them without their borders: CVE-2022-46146."""
    known, wanted = Passwords(), USERS[b"alice"]

    assert not await known.accepts(USERS, b"alice" + wanted, b"fakepassword", "a")
    assert not await known.accepts(USERS, b"alice", NOBODY + b"fakepassword", "a")
    assert await known.accepts(USERS, b"alice", b"alice123", "a")
    assert not await known.accepts(USERS, b"alic", b"e" + wanted + b"alice123", "a")
    assert known._digest(b"alice", b"hash", b"") != known._digest(b"alic", b"ehash", b"")


async def test_unknown_users_cost_the_same_check_as_known_ones(checks: Checks) -> None:
    known = Passwords()
    users = {b"alice": b"$2y$04" + NOBODY[6:], b"bob": b"$2y$05" + NOBODY[6:]}
    await known.accepts(users, b"alice", b"wrong", "a")
    for number in range(40):
        await known.accepts(users, b"nobody %d" % number, b"guess %d" % number, "a")

    assert checks.of[b"wrong"] == 1
    assert checks.of.total() == 41
    assert checks.costs == {b"04", b"05"}, "each user has one of the costs that there are, known or not"


async def test_many_logins_of_one_address_are_checked_once_each_and_one_after_the_other(checks: Checks) -> None:
    async with door(WebConfig(users=USERS)) as (address, _):
        logins = [get(address, user="alice", password=password) for password in 150 * ["alice123", "alice1234"]]
        answers = await asyncio.gather(*logins)

    found = Counter(status for status, _ in answers)
    assert found == {200: 150, 401: 150}
    assert checks.of == {b"alice123": 1, b"alice1234": 1}
    assert checks.most_at_once == 1


async def test_a_known_user_is_answered_while_wrong_passwords_are_checked(checks: Checks) -> None:
    async with door(WebConfig(users=USERS)) as (address, _):
        assert (await get(address, user="alice", password="alice123"))[0] == 200
        checks.open.clear()
        flood = [asyncio.create_task(get(address, user="alice", password=str(guess))) for guess in range(200)]
        async with asyncio.timeout(60):
            while sum(task.done() for task in flood) < 200 - OF_ONE_ADDRESS:
                await asyncio.sleep(0.01)
            assert [(await get(address, user="alice", password="alice123"))[0] for _ in range(5)] == [200] * 5
        checks.open.set()
        found = Counter(status for status, _ in await asyncio.gather(*flood))
        assert found == {503: 200 - OF_ONE_ADDRESS, 401: OF_ONE_ADDRESS}
        assert (await get(address, user="alice", password="alice123"))[0] == 200


async def test_a_flood_from_one_address_does_not_delay_the_first_login_from_another(checks: Checks) -> None:
    known = Passwords()
    checks.held = b"guess"
    checks.open.clear()
    flood = [asyncio.create_task(known.accepts(USERS, b"alice", b"guess %d" % guess, "far")) for guess in range(200)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        assert await known.accepts(USERS, b"alice", b"alice123", "near"), "while the first guess is still being checked"
    assert checks.most_at_once == 2
    checks.open.set()

    found = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(each, BusyError) for each in found) == 200 - OF_ONE_ADDRESS
    assert found.count(False) == OF_ONE_ADDRESS


async def test_of_many_addresses_two_are_checked_at_a_time(checks: Checks) -> None:
    known = Passwords()
    checks.open.clear()
    tasks = [asyncio.create_task(known.accepts(USERS, b"alice", b"%d" % guess, f"{guess}")) for guess in range(10)]
    async with asyncio.timeout(60):
        while checks.at_once < AT_ONCE:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    checks.open.set()

    assert await asyncio.gather(*tasks) == [False] * 10
    assert checks.most_at_once == AT_ONCE


async def test_addresses_together_have_a_bound_too_and_all_is_free_again_afterwards(checks: Checks) -> None:
    known = Passwords()
    checks.open.clear()
    tasks = [
        asyncio.create_task(known.accepts(USERS, b"alice", b"%d" % guess, f"address {guess}")) for guess in range(50)
    ]
    await asyncio.sleep(0)
    checks.open.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)

    assert sum(isinstance(each, BusyError) for each in found) == 50 - MOST_WAITING
    assert await known.accepts(USERS, b"alice", b"alice123", "address 0")
    queue = known._queue
    assert (known._under_way, queue._waiting, queue._under_way, dict(queue._asked._times)) == ({}, [], [], {})


@pytest.mark.slow
@pytest.mark.parametrize("addresses", [4, 8, 24])
async def test_a_flood_from_many_addresses_keeps_no_first_login_out(checks: Checks, addresses: int) -> None:
    known, stop = Passwords(), False
    guesses = iter(range(1_000_000))

    async def floods(address: str) -> None:
        while not stop:
            try:
                assert not await known.accepts(USERS, b"alice", b"%d" % next(guesses), address)
            except BusyError:
                await asyncio.sleep(0.001)

    flood = [asyncio.create_task(floods(f"10.0.0.{n % addresses}")) for n in range(100)]
    async with asyncio.timeout(60):
        while checks.of.total() < 100:
            await asyncio.sleep(0.01)
    for login in range(20):
        users = {b"carol": hashed(f"carol {login}")}
        assert await known.accepts(users, b"carol", b"carol %d" % login, f"192.0.2.{login}")
    stop = True
    await asyncio.gather(*flood)


@pytest.mark.parametrize(
    ("addresses", "places"),
    [
        ([f"2001:db8::{n:x}" for n in range(1, 9)], OF_ONE_ADDRESS),
        ([f"2001:db8:0:{n:x}::1" for n in range(1, 9)], 8),
        ([f"::ffff:192.0.2.{n}" for n in range(1, 9)], 8),
        (["::ffff:192.0.2.1", "192.0.2.1"] * 4, OF_ONE_ADDRESS),
        (["fe80::1%eth0", "fe80::2%eth1"] * 4, OF_ONE_ADDRESS),
        ([""] * 8, OF_ONE_ADDRESS),
    ],
)
async def test_a_network_of_ipv6_counts_as_one_address(addresses: list[str], places: int) -> None:
    queue = TurnQueue(at_once=AT_ONCE, places=MOST_WAITING, own_turns=1, own_places=OF_ONE_ADDRESS)

    async def takes(address: str) -> None:
        async with queue.turn(address):
            await asyncio.sleep(0)

    found = await asyncio.gather(*map(takes, addresses), return_exceptions=True)
    assert found.count(None) == places


async def test_wrong_passwords_are_remembered_up_to_a_bound_and_never_in_place_of_the_right_one(
    checks: Checks,
) -> None:
    known = Passwords()
    assert await known.accepts(USERS, b"alice", b"alice123", "a")
    for guess in range(3 * REMEMBERED):
        assert not await known.accepts(USERS, b"alice", b"%d" % guess, "a")
    assert await known.accepts(USERS, b"alice", b"alice123", "a")

    assert checks.of[b"alice123"] == 1
    before = checks.of.total()
    assert not await known.accepts(USERS, b"alice", b"%d" % (3 * REMEMBERED - 1), "a")
    assert checks.of.total() == before, "the last one is remembered"
    assert len(known._wrong) == REMEMBERED


async def test_a_user_that_is_taken_out_or_has_another_password_is_refused_at_once(checks: Checks) -> None:
    async with door(WebConfig(users=USERS)) as (address, security):

        async def login(password: str = "alice123") -> int:
            return (await get(address, user="alice", password=password))[0]

        assert [await login(), await login()] == [200, 200]
        security.use(WebConfig(users={**USERS, b"alice": hashed("another")}))
        assert [await login(), await login("another")] == [401, 200]
        security.use(WebConfig(users={b"bob": USERS[b"bob:x"]}))
        assert [await login("another"), await login()] == [401, 401]
        security.use(WebConfig(users=USERS))
        assert await login() == 200


@pytest.mark.parametrize(("more", "accepted"), [(b"", True), (b"tail", True), (b"\0", True)])
async def test_what_is_beyond_72_bytes_does_not_count_as_bcrypt_has_it(more: bytes, accepted: bool) -> None:
    long = b"p" * 72
    users: Mapping[bytes, bytes] = {b"u": bcrypt.hashpw(long, bcrypt.gensalt(4))}
    known = Passwords()

    assert await known.accepts(users, b"u", long + more, "a") is accepted
    assert not await known.accepts(users, b"u", long[:-1], "a")


@pytest.mark.parametrize("last", ["O", "P", "d"])
async def test_a_hash_whose_salt_has_bits_to_spare_is_taken_as_others_take_it(tmp_path: Path, last: str) -> None:
    whole = bcrypt.hashpw(b"right", b"$2b$04$" + b"." * 21 + b"O").decode()
    file = tmp_path / "web.yml"
    file.write_text(f"basic_auth_users: {{joe: '{whole[:28]}{last}{whole[29:]}'}}")
    async with door(read_web_config(file)) as (address, _):
        assert (await get(address, user="joe", password="right"))[0] == 200
        assert (await get(address, user="joe", password="wrong"))[0] == 401


async def test_no_password_is_kept_in_memory() -> None:
    known = Passwords()
    for password in (b"alice123", b"guessed-wrong"):
        await known.accepts(USERS, b"alice", password, "a")

    kept: Any = {**vars(known), "_key": None}
    assert "alice123" not in repr(kept)
    assert "guessed" not in repr(kept)
