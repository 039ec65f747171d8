"""Local models: child processes that run them, and the engines inside those."""
