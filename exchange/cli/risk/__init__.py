"""Commands for risk models and their evaluator."""
