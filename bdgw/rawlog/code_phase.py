"""GLONASS code-phase biases as receivers declare them, to what the engine takes.

Sources: RTCM 10403.3, DF421 to DF426: aligned phase range = phase range + bias where DF421 is 0;
where it is 1 that has been done, and the value only tells how. So a base that one network sends in
the manner of several makes gives the same difference of phase and code after the addition.
"""

from __future__ import annotations

from bdgw.positioning.satellite import signal_id
from bdgw.rtcm.notice import GlonassBias

__all__ = ["ALIGNED", "code_phase_of_message"]

ALIGNED = {signal_id("R", code): 0.0 for code in ("1C", "1P", "2C", "2P")}
"""Of a receiver that aligns its phases itself. Those of u-blox do: their 1230 says so (M8, F9), and
their RXM-RAWX is the same as their MSM7, to a millimetre."""


def code_phase_of_message(message: GlonassBias) -> dict[int, float]:
    """Give what must be added to the phases in metres, by signal; the unknown is left out."""
    if message.is_aligned:
        return dict(ALIGNED)
    return {
        signal_id("R", code): value_m
        for code, value_m in message.bias_m.items()
        if value_m is not None
    }
