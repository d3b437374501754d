"""The use cases; every disclosure passes enforcement."""
