"""The native API, a resource a file."""
