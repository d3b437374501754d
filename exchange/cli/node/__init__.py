"""Commands that make, serve, fill and check a node."""
