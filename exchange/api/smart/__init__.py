"""SMART Backend Services: the token endpoint."""
