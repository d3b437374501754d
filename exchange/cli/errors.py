"""Errors on the command line: one line that says what, why and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

import httpx

from exchange.config import ConfigError
from exchange.core.errors import DamagedError, ExchangeError
from exchange.demo.client import ClientError
from exchange.ledger.errors import InUseError, NodeKeyError
from exchange.reading import JournalError
from exchange.vault.errors import VaultError


class CommandError(Exception):
    """A command can't go on; the message says what, why and what to do."""


def fail(message: str, *, code: int = 1) -> NoReturn:
    """Print `error: message` and end with `code`."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(code)


def run(command: Callable[[], object]) -> None:
    """Run the whole command; every failure an operator can cause or mend becomes one line.

    Exit codes: 1 for what can be mended by calling otherwise, 2 for a misspelt call (typer's own), 3 for
    stored data that do not verify, 130 for Ctrl-C.
    """
    try:
        command()
    except (CommandError, ConfigError, ClientError, VaultError) as why:
        fail(str(why))
    except JournalError as why:
        fail(f"{why}; end the other load, or remove that file to load everything again")
    except NodeKeyError as why:
        fail(f"{why}; restore keys/node.key from its backup")
    except InUseError:
        fail("another process has this node open; end that gateway or load, then call again")
    except DamagedError as why:
        fail(f"{why}; nothing was changed; restore a backup, docs/operations.md says how", code=3)
    except ExchangeError as why:
        fail(str(why))
    except ModuleNotFoundError as why:
        fail(f"{why.name} is not installed; install consentry with its extra for this role")
    except httpx.ConnectError:
        fail("no gateway answers at that address; start one with `consentry serve FOLDER`")
    except httpx.InvalidURL as why:
        fail(f"that is no address ({why}); give one such as http://127.0.0.1:8400")
    except httpx.HTTPError as why:
        fail(f"the gateway did not answer as expected ({type(why).__name__}); is it a Consentry gateway?")
    except OSError as why:
        place = f" {why.filename}" if why.filename else ""
        fail(
            f"can't use{place or ' a file'} ({why.strerror or type(why).__name__}); see to it and call again"
        )
