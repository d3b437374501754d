"""`consentry migrate`: a node of an older format becomes one that this release reads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from exchange.cli.options import BY, FOLDER, operator_name
from exchange.node.folder import NodeFolder
from exchange.node.migration import migrate as bring
from exchange.store.engine.format import FORMAT
from exchange.store.migrations.revision import Revision


def migrate(folder: Annotated[Path, FOLDER], by: Annotated[str, BY] = "") -> None:
    """Bring a node to the format that this release reads, after a backup; the gateway must not be serving.

    All changes of the databases are one transaction: a migration that is interrupted has changed nothing, or
    everything. Call it again then. The ledger stays as it is, byte for byte.
    """
    done = bring(NodeFolder(folder), _tell, by=by or operator_name())
    if done.changed:
        print(f"{folder} is of format {FORMAT} now; it was of {min(done.records, done.log)}")
        print(f"next: consentry verify {folder}")
    else:
        print(f"{folder} is of format {FORMAT} already")


def _tell(revision: Revision) -> None:
    print(f"to format {revision.format}: {revision.title}", file=sys.stderr, flush=True)
