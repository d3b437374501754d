"""Principals, client assertions, scopes and registered clients: OAuth and SMART without I/O."""
