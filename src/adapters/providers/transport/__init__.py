"""HTTP to providers: connections, deadlines, streams of events, forms."""
