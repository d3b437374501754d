"""The records database: document versions, search tokens, subjects' keys, clients."""
