"""The demo: brokers, simulator, two gateways and their clients, and a proof at the end.

The simulator is a process of its own with its own encoders; it writes down what it has sent. The
demo passes only if every epoch of it came out once at the subscriber, with the right values, if
the rover went from alone to fixed by the corrections that it was given, and if a short message
went from one gateway over the satellite to the client of the other one, once, and was receipted.
"""

from bdgw.demo.message import MessageTally
from bdgw.demo.run import run_demo
from bdgw.demo.tally import CorrectionTally, Tally

__all__ = ["CorrectionTally", "MessageTally", "Tally", "run_demo"]
