"""Byte tools shared by all protocols: splitting a stream into frames, checksums, sessions.

No protocol knowledge and no I/O.
"""
