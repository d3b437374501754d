"""Risk models: the port that the gateway uses, and a model with an evaluator that sees ciphertext only.

This package is the only door between the gateway and `analytics`. It is opened only where a node has a
model, so that other nodes need not install the libraries of `analytics`.
"""
