"""Enforcement: the only way to a document, and the subjects' keys it opens with."""
