"""Who may do what: bearer tokens with roles, one decision for every route."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import HTTPException, Request

__all__ = ["ROLES", "Token", "authoriser"]

ROLES = ("read", "operate", "admin")
"""Each role may do what the ones before it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token; ``secret`` never appears in a representation."""

    name: str
    role: str
    secret: str

    def __repr__(self) -> str:
        return f"Token(name={self.name!r}, role={self.role!r})"


def authoriser(
    tokens: tuple[Token, ...], *, anonymous: str, role: str
) -> Callable[[Request], None]:
    """Make the check for routes that need ``role``.

    ``anonymous`` is the role of a request without a token, or ``none``. A token that is not known
    is refused everywhere: it is never treated as no token.
    """
    needed = ROLES.index(role)

    def check(request: Request) -> None:
        granted: str | None
        header = request.headers.get("authorization")
        if header is None:
            if anonymous == "none":
                raise _refusal("a bearer token is needed")
            granted = anonymous
        else:
            scheme, _, secret = header.partition(" ")
            granted = _role_of(secret.strip(), tokens) if scheme.lower() == "bearer" else None
            if granted is None:
                raise _refusal("the token is not known")
        if ROLES.index(granted) < needed:
            raise HTTPException(403, f"the role {role!r} is needed")

    return check


def _role_of(secret: str, tokens: tuple[Token, ...]) -> str | None:
    found = None
    for token in tokens:
        # All tokens are compared, in constant time each, so that timing tells nothing.
        if hmac.compare_digest(token.secret.encode(), secret.encode()):
            found = token.role
    return found


def _refusal(text: str) -> HTTPException:
    return HTTPException(401, text, headers={"WWW-Authenticate": "Bearer"})
