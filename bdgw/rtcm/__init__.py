"""RTCM 3: frames, their heads and epochs, and their contents in SI units.

``frame``, ``head`` and ``epoch`` serve a gateway that only forwards; they need no NumPy. ``decode``
and ``encode`` load the rest when they are first asked for. A frame travels on as it came whatever
the decoder thinks of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bdgw.rtcm.message import decode, encode

__all__ = ["decode", "encode"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bdgw.rtcm import message

    return getattr(message, name)
