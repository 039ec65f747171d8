"""The gateway's database: what every family that keeps rows in it shares, on SQLite and on PostgreSQL."""
