"""Consents on the ledger: the terms expected of each pair, and their publication."""
