"""The entries of a Bundle on their way through the interactions."""
