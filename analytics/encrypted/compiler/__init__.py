"""From an XGBoost ensemble to the polynomials that BFV (rows over F_t) and CKKS (decisions) evaluate."""
