"""The `consentry` command: make, serve, load and maintain a node."""

from exchange.cli.main import main

__all__ = ["main"]
