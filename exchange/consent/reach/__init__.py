"""The reach of the provisions of a consent: none is accepted that could never decide."""
