"""Keys, sealed documents and search tokens; nothing here opens a document without a Permit."""
