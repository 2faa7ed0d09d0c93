"""Simulated field devices: the second, independent writer of every protocol bdgw reads.

A scene holds the truth, a receiver speaks it in a dialect, faults damage the bytes, a port carries
them. Nothing here imports the gateway, so an error shared by both sides cannot hide. The same seed
gives the same bytes; time is always a parameter of the pure parts.
"""
