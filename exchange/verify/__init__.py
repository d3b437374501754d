"""Verification of a whole node, and the rebuild of its log from a verified ledger."""
