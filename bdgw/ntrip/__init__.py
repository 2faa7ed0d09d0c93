"""NTRIP 1 and 2 towards casters: addresses, accounts, replies, tables, GGA, etiquette.

Everything but ``runner`` (and what it drives sockets with) is pure. Sources: RTCM 10410.0
(version 1) and RTCM 10410.1 (version 2), as casters really speak them.
"""
