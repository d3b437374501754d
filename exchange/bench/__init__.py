"""Benches that reproduce the README's figures; each gives rows with value, unit, target and verdict."""
