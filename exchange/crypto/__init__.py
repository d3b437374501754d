"""Keys, sealed documents and search tokens; no document is opened without a Permit."""
