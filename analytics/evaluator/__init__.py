"""The evaluator's HTTP service with its worker processes, and the hospital's client of it."""
