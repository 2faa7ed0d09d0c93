"""The demo: broker, simulator, gateway and subscriber on one machine, and a proof at the end.

The simulator is a process of its own with its own encoders; it writes down what it has sent. The
demo passes only if every epoch of it came out once at the subscriber, with the right values, and
if the rover went from alone to fixed by the corrections that it was given.
"""

from bdgw.demo.run import run_demo
from bdgw.demo.tally import CorrectionTally, Tally

__all__ = ["CorrectionTally", "Tally", "run_demo"]
