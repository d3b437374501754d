"""The databases of a node: ciphertext, search tokens, keys that are wrapped, and the access log."""
