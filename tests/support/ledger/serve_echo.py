"""A chaincode that answers with its argument, for tests of the process around it."""

from __future__ import annotations

import sys

from chaincode.__main__ import main
from chaincode.shim.stub import Stub


async def echo(stub: Stub, function: str, argument: bytes) -> bytes:
    return argument


if __name__ == "__main__":
    sys.exit(main(echo))
