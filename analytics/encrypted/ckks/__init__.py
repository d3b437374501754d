"""Approximate scores of thousands of patients: CKKS with one slot per patient."""
