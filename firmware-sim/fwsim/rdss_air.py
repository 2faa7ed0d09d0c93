"""A message on air and what became of it. Pure."""

from dataclasses import dataclass, field

from fwsim.rdss_card import Content

UNDER_WAY = "under_way"


@dataclass(slots=True, kw_only=True)
class Arrival:
    """What became of a message at one receiver."""

    terminal: str
    card: int
    is_copy: bool
    fate: str = UNDER_WAY
    at_s: float | None = None


@dataclass(slots=True, kw_only=True)
class AirMessage:
    """A message on air: ``t_s`` is when it left its antenna.

    ``fate``: ``delivered`` once one of those it was for has it; else why not.
    """

    n: int
    t_s: float
    sender: int
    to: int
    content: Content
    is_express: bool = False
    is_global: bool = False
    fate: str = UNDER_WAY
    arrivals: list[Arrival] = field(default_factory=list)
    n_open: int = 0

    def record(self) -> dict[str, object]:
        """Return it as a line of truth."""
        return {
            "t": round(self.t_s, 3),
            "n": self.n,
            "from": self.sender,
            "to": self.to,
            "form": self.content.form.value,
            "bits": self.content.n_bits,
            "air_bits": self.content.air_bits,
            "content": self.content.data.hex(),
            "fate": self.fate,
            "arrivals": [
                {
                    "terminal": arrival.terminal,
                    "card": arrival.card,
                    "is_copy": arrival.is_copy,
                    "fate": arrival.fate,
                    "t": None if arrival.at_s is None else round(arrival.at_s, 3),
                }
                for arrival in self.arrivals
            ],
        }
