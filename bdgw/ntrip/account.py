"""A user name and a password for a caster, made so that the password shows up nowhere."""

from __future__ import annotations

__all__ = ["Account"]

_TEXT_MAX_CHARS = 256


class Account:
    """Credentials of one user.

    A plain class and not a struct, so that no serialiser writes the password by accident; its
    ``repr`` and ``str`` hide it. Two accounts are equal when both parts are.
    """

    __slots__ = ("_password", "_username")

    def __init__(self, username: str, password: str) -> None:
        """Check and keep both.

        Raises:
            ValueError: a colon in the user name (RFC 7617, section 2), a control character, or
                more than 256 characters. The values are not repeated.
        """
        for what, text in (("user name", username), ("password", password)):
            if len(text) > _TEXT_MAX_CHARS:
                raise ValueError(f"the {what} has more than {_TEXT_MAX_CHARS} characters")
            if any(0xD800 <= ord(character) < 0xE000 for character in text):
                raise ValueError(f"the {what} contains half a character")
            if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
                raise ValueError(f"the {what} contains a control character")
        if ":" in username:
            raise ValueError("the user name contains a colon")
        self._username = username
        self._password = password

    @property
    def username(self) -> str:
        """Who."""
        return self._username

    @property
    def password(self) -> str:
        """The secret; never to be put into a text that leaves the process."""
        return self._password

    def __repr__(self) -> str:
        return f"Account({self._username!r}, '***')"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Account):
            return NotImplemented
        return (self._username, self._password) == (other._username, other._password)

    def __hash__(self) -> int:
        return hash((self._username, self._password))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an account is not written out")
