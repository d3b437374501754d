"""Records a short channel of a real network:
`python tests/exchange/ledger/fabric/blocks/vectors/record.py NAME`.

It needs Fabric's programs. From the first release on a recording stays once it is made: later releases must
read it as it is. Make one more, under a new name, when contracts or Fabric have something new to write.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parents[3]
sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "network")]


def main(name: str) -> None:
    """Record a little of everything, as `consentry verify` is tested on it."""
    from test_fabric_verify import live  # noqa: PLC0415  # behind the path to it

    from exchange import devnet  # noqa: PLC0415  # same

    options = devnet.Options(max_message_count=10, batch_timeout="100ms")
    with tempfile.TemporaryDirectory() as folder, devnet.up(Path(folder) / "network", options) as running:
        blocks = asyncio.run(live(running))
    text = json.dumps([block.hex() for block in blocks]).encode()
    (HERE / f"{name}.json.gz").write_bytes(gzip.compress(text, 9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
