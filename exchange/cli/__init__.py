"""The `consentry` command: make a node, serve it, load it, look after it."""

from exchange.cli.main import main

__all__ = ["main"]
