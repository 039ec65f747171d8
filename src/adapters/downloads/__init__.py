"""How model files are brought here, one kind of source a file."""
