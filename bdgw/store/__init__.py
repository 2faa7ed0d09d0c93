"""What survives a power cut: the ledger of short messages, on SQLite."""
