"""Rules of the gateway that need no I/O."""
