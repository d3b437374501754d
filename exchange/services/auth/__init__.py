"""Access tokens: issued for client assertions, resolved to principals."""
