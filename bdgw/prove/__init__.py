"""Drills on the user's own disk and broker: kills, outages, black holes, full disks, power cuts.

The gateway in them is the real outbox and the real publisher in a process of its own; who judges
is a plain subscriber outside, and what the gateway has said to be safe. Whatever a drill does is
below ``bdgw/v1/<gateway>/prove`` on the broker and in a folder of its own on the disk.
"""

from bdgw.prove.report import Outcome, text
from bdgw.prove.run import DRILLS, Plan, run_drills

__all__ = ["DRILLS", "Outcome", "Plan", "run_drills", "text"]
