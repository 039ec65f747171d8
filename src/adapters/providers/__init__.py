"""Remote services that generate: a file or a folder each, over one transport."""
