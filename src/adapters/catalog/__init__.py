"""Where models are found: files on disk."""
