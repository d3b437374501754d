"""The admin socket: a gateway does for commands what only the process with the ledger may do."""
