"""Scores of a cohort on Dask workers that see ciphertext only."""
