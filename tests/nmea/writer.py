"""A small naive NMEA writer: the tests' own, so that the decoder is never its own judge."""

from functools import reduce
from operator import xor


def sealed(body: str, end: bytes = b"\r\n") -> bytes:
    """Put delimiter, checksum and line end around the text of a sentence."""
    data = body.encode("ascii")
    return b"$" + data + b"*%02X" % reduce(xor, data, 0) + end


def joined(*fields: object) -> bytes:
    """Write a sentence from its fields; None is an empty field."""
    return sealed(",".join("" if field is None else str(field) for field in fields))


def clock(tod_ns: int | None, digits: int = 3) -> str:
    """Write nanoseconds of the day as hhmmss.sss, cut to so many digits."""
    if tod_ns is None:
        return ""
    seconds, ns = divmod(tod_ns, 1_000_000_000)
    if seconds == 86_400:
        text = "235960"
    else:
        text = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
    return text + ("." + f"{ns:09d}"[:digits] if digits else "")


def coordinate(minutes_e7: int, width: int, letters: str) -> str:
    """Write 1e-7 arc minutes as the two fields of a latitude (width 2) or longitude (3)."""
    degrees, rest = divmod(abs(minutes_e7), 60 * 10**7)
    whole, fraction = divmod(rest, 10**7)
    letter = letters[0] if minutes_e7 >= 0 else letters[1]
    return f"{degrees:0{width}d}{whole:02d}.{fraction:07d},{letter}"


def place(lat_e7: int | None, lon_e7: int | None) -> str:
    """Write the four fields of a position."""
    if lat_e7 is None or lon_e7 is None:
        return ",,,"
    return coordinate(lat_e7, 2, "NS") + "," + coordinate(lon_e7, 3, "EW")
