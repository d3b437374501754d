"""Scoring on ciphertext."""
