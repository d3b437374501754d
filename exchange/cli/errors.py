"""Errors on the command line: one line that says what, why and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

import click
import httpx

from exchange.config import ConfigError
from exchange.core.errors import DamagedError, ExchangeError
from exchange.demo.client import ClientError


class CommandError(Exception):
    """A command can't go on; the message says what, why and what to do."""


def fail(message: str, *, code: int = 1) -> NoReturn:
    """Print `error: message` and end with `code`."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(code)


def run(command: Callable[[], object]) -> None:
    """Run the whole command; every failure an operator can cause or mend becomes one line."""
    try:
        command()
    except (CommandError, ConfigError, ClientError) as why:
        fail(str(why))
    except DamagedError as why:
        fail(f"{why}; nothing was changed. Restore a backup, or see docs/operations.md", code=3)
    except ExchangeError as why:
        fail(str(why))
    except httpx.ConnectError:
        fail("no gateway answers at that address; start one with `consentry serve FOLDER`")
    except httpx.HTTPError as why:
        fail(f"the gateway did not answer as expected ({type(why).__name__}); is it a Consentry gateway?")
    except click.exceptions.Abort:
        fail("interrupted", code=130)
    except KeyboardInterrupt:
        fail("interrupted", code=130)
    except BrokenPipeError:
        raise SystemExit(1) from None
    except OSError as why:
        fail(f"{why.strerror or type(why).__name__}: {why.filename or ''}".rstrip(": "))
