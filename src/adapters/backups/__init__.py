"""Backups: the archive, and what each kind of database and the data folder put into one and take out of it."""
