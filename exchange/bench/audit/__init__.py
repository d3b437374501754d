"""The benches of the review of the access log."""
