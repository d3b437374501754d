"""Commands for compliance officers."""
