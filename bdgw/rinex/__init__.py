"""RINEX files, 2.11 to 4.0: observations, plain or compact, and broadcast navigation.

Lines in, epochs and sets out; nothing is written and no file is opened here.
"""
