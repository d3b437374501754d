"""Scores on ciphertext: the artefacts of the roles, the compiler from trees to polynomials, BFV and CKKS."""
