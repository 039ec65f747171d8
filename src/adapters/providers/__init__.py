"""Remote services that generate, one file each."""
