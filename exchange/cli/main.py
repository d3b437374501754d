"""The command's tree. Each group lives in a module of its own; failures become one line in `errors`."""

from __future__ import annotations

import typer

from exchange.cli import bench, clients, demo, load, node, token, verify
from exchange.cli.errors import run

app = typer.Typer(
    name="consentry",
    help="A privacy-preserving exchange for health records: every disclosure is a ledger transaction.\n\n"
    "Start with `consentry demo`, or make a node of your own: `init`, `client register`, `load`, `serve`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("init")(node.init)
app.command("serve")(node.serve)
app.command("load")(load.load)
app.command("verify")(verify.verify)
app.command("demo")(demo.demo)
app.command("bench")(bench.bench)
app.add_typer(clients.app, name="client")
app.add_typer(token.app, name="token")


def main() -> None:
    """Entry point of the `consentry` command."""
    run(app)
