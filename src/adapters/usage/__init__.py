"""What was used: a journal on the disk, and the ledger in SQL."""
