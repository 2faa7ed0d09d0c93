"""Who may do what: bearer tokens with roles, one decision for every route."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import HTTPException, Request

__all__ = ["ROLES", "Token", "authoriser", "refusal_of"]

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
        header = request.headers.get("authorization")
        granted = anonymous if header is None else _role_by(header, tokens)
        if granted is None:
            raise _refusal("the token is not known")
        if header is None and (granted == "none" or ROLES.index(granted) < needed):
            raise _refusal("a bearer token is needed")
        if ROLES.index(granted) < needed:
            raise HTTPException(403, f"the role {role!r} is needed")

    return check


def refusal_of(request: Request, tokens: tuple[Token, ...]) -> HTTPException | None:
    """The refusal of a request that brings a token which is not known, on whatever path.

    So that a wrong token is found out at the first request, also at one that needs none.
    """
    header = request.headers.get("authorization")
    if header is None or _role_by(header, tokens) is not None:
        return None
    return _refusal("the token is not known")


def _role_by(header: str, tokens: tuple[Token, ...]) -> str | None:
    scheme, _, secret = header.partition(" ")
    return _role_of(secret.strip(), tokens) if scheme.lower() == "bearer" else None


def _role_of(secret: str, tokens: tuple[Token, ...]) -> str | None:
    found = None
    for token in tokens:
        # All tokens are compared, in constant time each, so that timing tells nothing.
        if hmac.compare_digest(token.secret.encode(), secret.encode()):
            found = token.role
    return found


def _refusal(text: str) -> HTTPException:
    return HTTPException(401, text, headers={"WWW-Authenticate": "Bearer"})
