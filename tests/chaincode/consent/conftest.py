"""Lets the tests of this folder import the oracle and the generator that lie beside them."""
