"""Exact scores of one patient or a few: BFV with the patient's bits packed into one ciphertext."""
