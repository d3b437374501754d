"""Writes as entries of the ledger: planned with the change, recorded behind it, completed after a crash."""
