"""Commands about the persons who use a node."""
