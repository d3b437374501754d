"""HTTP rules shared by every route: limits, errors, headers."""
