"""Writes frames by the offsets of the reference, independently of the code under test."""

from functools import reduce
from operator import xor


def bd1(name: str, *information: int, user_address: int = 0) -> bytes:
    length = 11 + len(information)
    body = b"$" + name.encode() + bytes((length >> 8, length & 255))
    body += user_address.to_bytes(3, "big") + bytes(information)
    return body + bytes((reduce(xor, body),))


def line(text: str | bytes) -> bytes:
    body = text.encode("gbk") if isinstance(text, str) else text
    return b"$" + body + b"*%02X\r\n" % reduce(xor, body)
