"""`consentry serve`."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import uvicorn
from prometheus_client import start_http_server

from exchange.api.app import create_app
from exchange.api.http.protocol import BoundedHttpProtocol, ConnectionBounds
from exchange.cli.errors import CommandError
from exchange.cli.options import FOLDER
from exchange.node.admin.server import admin_socket
from exchange.node.checks import check_to_serve
from exchange.node.folder import NodeFolder
from exchange.node.open import open_node
from exchange.node.parts import usable_settings
from exchange.node.settings import NodeSettings
from exchange.pages.visits import PREFIX, DemoAccount
from exchange.runtime import logs

_OTHER_FILES = 200
"""Files that a gateway has open besides its connections: databases, the ledger, workers."""
_FEWEST_CONNECTIONS = 100
_MOST_FILES = 65_536
_M_MMAP_THRESHOLD = -3  # malloc.h


def serve(folder: Annotated[Path, FOLDER]) -> None:
    """Serve the node's FHIR API until it is told to end (Ctrl-C or SIGTERM).

    A ledger of its own is verified first, ten to thirty seconds for a million entries; on Fabric the peer
    verifies, and `consentry verify` repeats it. While a peer is away every request is refused.
    """
    run_gateway(folder)


def run_gateway(folder: Path, *, demo: DemoAccount | None = None) -> None:
    """Serve the node in `folder` as `serve` does; with the `demo` account where the node is a demo's."""
    logs.configure()
    sys.setswitchinterval(0.001)  # the ledger's thread and the event loop share one interpreter lock
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(NodeFolder(folder), demo))


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    return uvloop.Loop


async def _serve(folder: NodeFolder, demo: DemoAccount | None) -> None:
    settings = usable_settings(folder)
    folder.close_to_others(group=False)
    listener = bound(settings)
    bounds = ConnectionBounds(
        most=max(_FEWEST_CONNECTIONS, raise_file_limit() - _OTHER_FILES),
        per_peer=settings.connections_per_peer,
    )
    logs.log_requests(sys.stderr if settings.access_log else None)
    checked = check_to_serve(folder, settings)
    async with open_node(folder, checked=checked) as node:
        config = uvicorn.Config(
            create_app(node.gateway, body_limit=settings.body_limit, demo=demo),
            http=partial(BoundedHttpProtocol, bounds=bounds),  # type: ignore[arg-type]  # it makes protocols
            timeout_keep_alive=settings.keep_alive_seconds,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the public address is a setting; nothing here goes by the peer's
            timeout_graceful_shutdown=10,
        )
        server = Server(config)
        _settle_memory()
        if node.away is not None:
            print(f"the ledger is away ({node.away}): everything is refused until it is back", flush=True)
        if node.scores_off is not None:
            print(f"scores are off, and everything else is served: {node.scores_off}", flush=True)
        print(f"serving {settings.member.name} at {settings.fhir_base} (Ctrl-C ends)", flush=True)
        print(f"patients' pages at {settings.base_url}{PREFIX}", flush=True)
        async with admin_socket(folder, node):
            with metrics(settings.metrics_host, settings.metrics_port):
                await server.serve(sockets=[listener])


def raise_file_limit() -> int:
    """Let this process open as many files as it may, up to `_MOST_FILES`, and return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return _MOST_FILES if soft == resource.RLIM_INFINITY else soft


def _settle_memory() -> None:
    # Objects that were built until here live as long as the process: collections need not walk them again. A
    # request leaves few cycles, so the default of one collection per 700 new objects is mostly wasted.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)
    # Large bodies go back to the system one by one: glibc would learn to keep them among small ones, and
    # take half as much memory again. Other C libraries have no such call, or none that learns.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


class Server(uvicorn.Server):
    """Uvicorn that ends on SIGTERM and Ctrl-C without raising the signal again afterwards."""

    def handle_exit(self, sig: int, _frame: object) -> None:
        """Stop accepting and finish running requests; a second Ctrl-C ends at once."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


@contextmanager
def metrics(host: str, port: int | None) -> Iterator[None]:
    """Serve Prometheus' `/metrics` at `host` and `port`, for as long as the context lasts.

    Never with the API: how many requests a batch holds tells of other callers' activity.

    Raises:
        CommandError: the port is taken or may not be used.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host)
    except OSError as why:
        raise CommandError(
            f"{host}:{port} can't be listened on ({why.strerror}); "
            "end what uses it, or change metrics_host and metrics_port in consentry.toml"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def bound(settings: NodeSettings) -> socket.socket:
    """Bind and return the listening socket of the node.

    Raises:
        CommandError: the port is taken or may not be used.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as why:
        listener.close()
        raise CommandError(
            f"{settings.host}:{settings.port} can't be listened on ({why.strerror}); "
            "end what uses it, or change port and base_url in consentry.toml"
        ) from None
    listener.listen(1024)
    return listener
