"""The HTTP driver: parse a request, call one use case, render what it gives."""
