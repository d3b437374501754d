"""Benchmarks of encrypted scoring. No other part of `analytics` imports them."""
