"""The way to risk models: what the gateway asks of one, and models whose evaluator sees ciphertext only.

This is the only door between the gateway and `analytics`, and it is opened only where a node has a model:
what `analytics` needs need not be installed elsewhere.
"""
