"""Positions from raw observations: orbits, atmosphere, single point, differential, RTK.

NumPy, no I/O, no clock: epochs of observations in, one solution out. Which port or file they came
from, and what is published of a solution, is not known here.
"""
