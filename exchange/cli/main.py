"""The command's tree. Each group lives in a module of its own, and is imported when it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Annotated

import typer

from exchange.cli.errors import run
from exchange.runtime.private_files import close_new_files
from exchange.store.engine.format import FORMAT

_COMMANDS = {
    "init": "node.init",
    "serve": "node.serve",
    "load": "node.load",
    "verify": "node.verify",
    "rebuild": "node.rebuild",
    "migrate": "node.migrate",
    "review": "officer.review",
    "demo": "development.demo",
    "bench": "development.bench",
}
_GROUPS = {
    "client": "node.clients",
    "member": "node.member",
    "token": "node.token",
    "patient": "people.patient",
    "jobs": "node.jobs",
    "model": "risk.model",
    "policy": "node.policy",
    "ledger": "node.ledger",
    "evaluator": "risk.evaluator",
    "network": "development.network",
}

_HELP = (
    "A privacy-preserving exchange for health records: every disclosure is a ledger transaction.\n\n"
    "Start with `consentry demo`, or make a node of your own: `init`, `client register`, `load`, `serve`."
)


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"consentry {metadata.version('consentry')}, nodes of format {FORMAT}")
        raise typer.Exit


def build(arguments: Sequence[str]) -> typer.Typer:
    """Build the command for `arguments`: with the group that they name, or with all of them for its help."""
    app = typer.Typer(
        name="consentry",
        help=_HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    first = arguments[0] if arguments else ""
    known = first in _COMMANDS or first in _GROUPS
    for name, module in _COMMANDS.items():
        if not known or name == first:
            app.command(name)(getattr(import_module(f"exchange.cli.{module}"), name))
    for name, module in _GROUPS.items():
        if not known or name == first:
            app.add_typer(import_module(f"exchange.cli.{module}").app, name=name)
    return app


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the `consentry` command: its entry point. The files that it makes are for their owner alone."""
    close_new_files()
    run(_command)


def _command() -> None:
    if find_spec("structlog"):  # an evaluator and a chaincode log nothing, and are installed without it
        import_module("exchange.runtime.logs").silence()
    build(sys.argv[1:])()
