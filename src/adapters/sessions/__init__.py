"""Sessions as event streams; the only place that knows the `eventsourcing` library."""
