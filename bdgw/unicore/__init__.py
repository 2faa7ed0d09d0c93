"""The binary language of Unicore's N4 receivers (UM980, UM982): its frame and its time."""
