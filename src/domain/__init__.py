"""What the gateway is about, in attrs classes and pure functions: no I/O, no clock, no framework."""
