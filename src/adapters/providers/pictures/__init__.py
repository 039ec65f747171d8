"""Pictures in the answers of providers."""
