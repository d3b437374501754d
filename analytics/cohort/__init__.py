"""Scores of a whole cohort on Dask workers that see ciphertext only."""
