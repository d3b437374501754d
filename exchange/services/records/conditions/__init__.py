"""Conditions of reads and writes: on the current version, and on what a search finds."""
