"""Checks passwords against bcrypt hashes, which is slow on purpose: a few at a time, in threads, with a cache."""

import asyncio
import secrets
from collections.abc import Mapping
from hashlib import blake2b
from hmac import compare_digest
from random import SystemRandom
from typing import Final

from exporter.web.listening.turn_queue import TurnQueue

NOBODY: Final = b"$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
"""The hash for unknown users, but for its cost; whatever it matches is refused."""
_LONGEST: Final = 72
"""Bytes of a password that bcrypt looks at."""
MOST_WAITING: Final = 16
"""Checks that may wait, or be under way."""
AT_ONCE: Final = 2
"""Checks under way, each of another address: so a flood from one address delays no login from another by its own. As
the library lets go of Python's lock meanwhile, both take no longer than one where there are two processors."""
OF_ONE_ADDRESS: Final = 4
"""How many checks one address may have waiting, or under way, so that a flood from there leaves room for others."""
REMEMBERED: Final = 100
"""Wrong passwords that are refused again without a check."""

_random: Final = SystemRandom()


class Passwords:
    """Checks passwords, and remembers what it found by a keyed digest: no password stays in memory.

    The right password of each user is remembered for as long as its hash is the same, and apart from the wrong ones: a
    flood of those neither takes its place nor delays it.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, bytes] = {}
        self._wrong: list[bytes] = []
        self._under_way: dict[bytes, asyncio.Task[bool]] = {}
        self._queue = TurnQueue(at_once=AT_ONCE, places=MOST_WAITING, own_turns=1, own_places=OF_ONE_ADDRESS)

    async def accepts(self, users: Mapping[bytes, bytes], user: bytes, password: bytes, address: str) -> bool:
        """Whether this is the user's password; raises ``BusyError`` if too many others wait to be checked."""
        known = user in users
        hashed = users[user] if known else self._stand_in(users, user)
        digest = self._digest(user, hashed, password[:_LONGEST])
        if known and compare_digest(self._right.get(user, b""), digest):
            return True
        if digest in self._wrong:
            return False
        task = self._under_way.get(digest)
        if task is None:
            check = self._check(user, hashed, password[:_LONGEST], digest, known, address)
            task = self._under_way[digest] = asyncio.create_task(check, name="password")
        return await asyncio.shield(task)

    async def _check(
        self, user: bytes, hashed: bytes, password: bytes, digest: bytes, known: bool, address: str
    ) -> bool:
        try:
            async with self._queue.turn(address):
                matches = await asyncio.to_thread(_matches, password, hashed)
        finally:
            del self._under_way[digest]
        if matches and known:
            self._right[user] = digest
            return True
        if len(self._wrong) >= REMEMBERED:
            del self._wrong[_random.randrange(len(self._wrong))]
        self._wrong.append(digest)
        return False

    def forget_all_but(self, users: Mapping[bytes, bytes]) -> None:
        """Forget the passwords of users that are gone."""
        self._right = {user: digest for user, digest in self._right.items() if user in users}

    def _stand_in(self, users: Mapping[bytes, bytes], user: bytes) -> bytes:
        """Return a hash for an unknown user, at the cost of some known one: so the time does not tell who is known."""
        costs = sorted(hashed[4:6] for hashed in users.values())
        cost = costs[int.from_bytes(self._digest(user, b"", b"")) % len(costs)] if costs else NOBODY[4:6]
        return NOBODY[:4] + cost + NOBODY[6:]

    def _digest(self, user: bytes, hashed: bytes, password: bytes) -> bytes:
        """Tell each three of user, hash and password from every other: lengths keep their borders apart."""
        digest = blake2b(key=self._key, digest_size=32)
        for part in (user, hashed, password):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()


def _matches(password: bytes, hashed: bytes) -> bool:
    import bcrypt  # its library is loaded only where there are users

    return bcrypt.checkpw(password, hashed)
