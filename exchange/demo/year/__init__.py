"""A generated year of accesses at one hospital, ordinary work and seeded snoops, to try reviews with.

It knows nothing of explanations and detectors: the language of a review is all that the two share.
"""
