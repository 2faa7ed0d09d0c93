"""UBX, the binary language of u-blox receivers: its frame, and what a line of it shows."""
