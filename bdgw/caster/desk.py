"""Who gets in: looks at a request, at the accounts and at the limits, and answers.

A hashed password takes tens of milliseconds to compare. That is done beside the event loop, one at
a time, and what has been proven once is remembered for as long as the table of accounts stands.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from bdgw.caster.clock import Clock
from bdgw.caster.connection import Connection
from bdgw.caster.guard import LoginGuard, address_key
from bdgw.caster.mount import Mount
from bdgw.caster.spec import Limits, MountKind
from bdgw.caster.user import User, UserTable
from bdgw.ntrip.account import Account
from bdgw.ntrip.answer import Dialect, Refusal
from bdgw.ntrip.serving_request import Request, Want

__all__ = ["Desk", "House"]

_Compare = Callable[[UserTable], bool]
_Done = Callable[[bool, float], None]

_MAX_WAITING = 256
_BAD_LOGIN = "user name or password is wrong"
_NEEDS_LOGIN = "this mount needs an account"


class House(Protocol):
    """What the desk needs of the caster."""

    def mount(self, name: str) -> Mount | None:
        """Find a mount."""
        ...

    def table(self, connection: Connection) -> bytes:
        """The sourcetable for whoever dialled that address."""
        ...

    def page(self, *, is_unknown: bool) -> bytes:
        """The page for browsers."""
        ...

    def sessions_of(self, user: str) -> list[Connection]:
        """The sessions of an account, oldest first."""
        ...

    def admit_client(self, connection: Connection, mount: Mount, now: float) -> None:
        """Serve the stream."""
        ...

    def admit_pusher(self, connection: Connection, mount: Mount, now: float) -> None:
        """Take the stream of a base."""
        ...

    def on_refused(self, connection: Connection, refusal: Refusal, reason: str) -> None:
        """Note it."""
        ...

    def on_fault(self, error: Exception) -> None:
        """A mistake in the code came to light."""
        ...


class Desk:
    """Answers every request of a caster; ``secret`` is chance that lives as long as the process."""

    def __init__(
        self, house: House, users: UserTable, *, limits: Limits, clock: Clock, secret: bytes
    ) -> None:
        self.users = users
        self.n_failed_logins = 0
        self._house = house
        self._limits = limits
        self._clock = clock
        self._secret = secret
        self._guard = LoginGuard(max_delay_s=limits.max_login_delay_s)
        self._proven: dict[str, bytes] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: set[asyncio.Task[None]] = set()

    def change_users(self, users: UserTable) -> None:
        """Forget what was proven by the old table."""
        self.users = users
        self._proven.clear()

    def ask(self, connection: Connection, request: Request, now: float) -> None:
        """Answer, now or after a wait."""
        connection.request = request
        session = connection.session
        if request.want is Want.PUSH:
            self._ask_push(connection, request)
        elif request.want is Want.TABLE and request.is_html:
            session.send_page(self._house.page(is_unknown=False))
        elif request.want is Want.TABLE:
            session.send_table(self._house.table(connection))
        else:
            self._ask_stream(connection, request, now)

    async def close(self) -> None:
        """Drop whoever waits."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask_stream(self, connection: Connection, request: Request, now: float) -> None:
        mount = self._house.mount(request.mount)
        if request.is_html:
            refusal = Refusal.NOT_FOUND if mount is None else None
            html = self._house.page(is_unknown=mount is None)
            connection.session.send_page(html, refusal=refusal)
        elif mount is None and request.dialect is Dialect.V1:
            # Version 1 has no other word for "no such mount".
            self._house.on_refused(connection, Refusal.NOT_FOUND, "unknown mount")
            connection.session.send_table(self._house.table(connection))
        elif mount is None:
            self._refuse(connection, Refusal.NOT_FOUND, "unknown mount")
        elif mount.spec.is_open:
            self._house.admit_client(connection, mount, now)
        elif request.account is None:
            # No password was tried, so this is no failed login: many clients ask once without.
            self._refuse(connection, Refusal.UNAUTHORISED, _NEEDS_LOGIN)
        else:
            self._login_reader(connection, mount, request.account)

    def _ask_push(self, connection: Connection, request: Request) -> None:
        mount = self._house.mount(request.mount)
        if mount is None or mount.spec.kind is not MountKind.PUSH:
            self._refuse(connection, Refusal.NOT_FOUND, "no mount to push to")
        elif request.account is None:
            self._refuse(connection, Refusal.UNAUTHORISED, _NEEDS_LOGIN)
        else:
            self._login_pusher(connection, mount, request.account)

    def _login_reader(self, connection: Connection, mount: Mount, account: Account) -> None:
        def compare(users: UserTable) -> bool:
            return users.login(account.username, account.password) is not None

        def done(is_right: bool, now: float) -> None:
            user = self.users.user(account.username) if is_right else None
            if user is None:
                self._failed(connection, now)
                return
            self._proven[account.username] = self._proof(account)
            if not user.may_read(mount.spec.name):
                self._refuse(connection, Refusal.FORBIDDEN, "this account does not open the mount")
            elif self._has_room(user, connection):
                connection.user = user.name
                self._house.admit_client(connection, mount, now)
            else:
                text = "this account has as many sessions as it may have"
                self._refuse(connection, Refusal.CONFLICT, text)

        if self._is_proven(account):
            done(True, self._clock.monotonic_s())
        else:
            self._login(connection, compare, done)

    def _login_pusher(self, connection: Connection, mount: Mount, account: Account) -> None:
        request = connection.request
        is_source = request is not None and request.dialect is Dialect.SOURCE

        def compare(users: UserTable) -> bool:
            name, password = account.username, account.password
            return users.may_push(mount.spec.name, name, password, is_source=is_source)

        def done(is_right: bool, now: float) -> None:
            if not is_right:
                self._failed(connection, now)
            elif self._is_taken(mount, now):
                self._refuse(connection, Refusal.CONFLICT, "another base feeds this mount")
            else:
                self._house.admit_pusher(connection, mount, now)

        self._login(connection, compare, done)

    def _is_taken(self, mount: Mount, now: float) -> bool:
        if mount.pusher is None:
            return False
        last_s = max(mount.content.last_frame_s or 0.0, mount.pusher.since_s)
        return now - last_s < self._limits.takeover_s

    def _has_room(self, user: User, newcomer: Connection) -> bool:
        """Make room where the old session is most likely the same rover that lost its line."""
        sessions = self._house.sessions_of(user.name)
        if len(sessions) < user.max_sessions:
            return True
        for session in sessions:
            if session.host == newcomer.host or session.stalled_since_s is not None:
                session.close("the same account has dialled in again")
                return True
        return False

    def _login(self, connection: Connection, compare: _Compare, done: _Done) -> None:
        now = self._clock.monotonic_s()
        delay_s = self._guard.delay_s(address_key(connection.host), now)
        if delay_s == 0.0 and not self.users.is_slow:
            done(compare(self.users), now)
        elif len(self._waiting) >= _MAX_WAITING:
            self._refuse(connection, Refusal.UNAVAILABLE, "too many logins at once")
        else:
            task = asyncio.create_task(self._login_later(connection, compare, done, delay_s))
            self._waiting.add(task)
            task.add_done_callback(self._waited)

    async def _login_later(
        self, connection: Connection, compare: _Compare, done: _Done, delay_s: float
    ) -> None:
        await asyncio.sleep(delay_s)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "caster-login")
        loop = asyncio.get_running_loop()
        while connection.is_open:
            users = self.users
            is_right = await loop.run_in_executor(self._pool, compare, users)
            if users is not self.users:
                continue  # the accounts changed meanwhile: look again
            if connection.is_open:
                now = self._clock.monotonic_s()
                done(is_right, now)
                connection.deliver(now)
            return

    def _waited(self, task: asyncio.Task[None]) -> None:
        self._waiting.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._house.on_fault(error)

    def _failed(self, connection: Connection, now: float) -> None:
        self.n_failed_logins += 1
        self._guard.failed(address_key(connection.host), now)
        self._refuse(connection, Refusal.UNAUTHORISED, _BAD_LOGIN)

    def _refuse(self, connection: Connection, refusal: Refusal, text: str) -> None:
        self._house.on_refused(connection, refusal, text)
        connection.session.refuse(refusal, text)

    def _proof(self, account: Account) -> bytes:
        text = f"{account.username}\0{account.password}".encode()
        return hmac.digest(self._secret, text, hashlib.sha256)

    def _is_proven(self, account: Account) -> bool:
        proof = self._proven.get(account.username)
        return proof is not None and hmac.compare_digest(proof, self._proof(account))
