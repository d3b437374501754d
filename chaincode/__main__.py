"""Start the channel's chaincode as a service: `python -m chaincode`.

Environment: CHAINCODE_ID and CHAINCODE_SERVER_ADDRESS as Fabric names them, and the paths
CHAINCODE_TLS_KEY, CHAINCODE_TLS_CERT and CHAINCODE_CLIENT_CA_CERT for mutual TLS with the peer.
SIGTERM and SIGINT let running invocations finish and end it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time

from chaincode.router import Router
from chaincode.shim.errors import SettingsError
from chaincode.shim.handler import Invoke
from chaincode.shim.server import ChaincodeServer, ServiceSettings

_log = logging.getLogger("chaincode")


async def serve(settings: ServiceSettings, invoke: Invoke) -> None:
    """Serve until a signal asks to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await ChaincodeServer.start(settings, invoke)
    _log.info("serving %s at %s", settings.package_id, settings.address)
    await stop.wait()
    await server.stop()
    _log.info("stopped")


def _now() -> int:
    return time.time_ns() // 1_000_000


def main(invoke: Invoke) -> int:
    """Run the service from this process's environment, and return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(serve(ServiceSettings.from_environment(os.environ), invoke))
    except SettingsError as why:
        _log.error("%s", why)  # one line for the operator, without a traceback
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Router(_now).invoke))
