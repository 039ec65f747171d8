"""The way out to servers that somebody else has named, for every family that goes it."""
