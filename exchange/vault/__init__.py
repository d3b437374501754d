"""The root key's place, behind a port."""
