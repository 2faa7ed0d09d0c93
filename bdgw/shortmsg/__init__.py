"""北斗短报文: RDSS terminals, messages in and out, and the fate of each of them."""
