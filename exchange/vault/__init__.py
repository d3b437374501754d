"""Where the root key lives."""
