"""Finding Fabric's own programs and their sample configuration. Nothing is downloaded or built.

Programs come from the folder that FABRIC_BIN names, or else from PATH. `core.yaml` and `orderer.yaml` come
from FABRIC_CFG_PATH, or else from the `config/` beside the `bin/` that holds the programs, which is the
layout of the official release archive; symbolic links are followed to find it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from exchange.devnet.errors import ProgramsError

NAMES = ("peer", "orderer", "configtxgen", "cryptogen", "osnadmin")
"""The programs that a network needs, all of one Fabric release."""

_SAMPLES = ("core.yaml", "orderer.yaml")
_ADVICE = "unpack Fabric's release archive and set FABRIC_BIN to its bin/, or put that on PATH"


class Programs(msgspec.Struct, frozen=True):
    """The paths of the programs and of the sample configuration."""

    peer: Path
    orderer: Path
    configtxgen: Path
    cryptogen: Path
    osnadmin: Path
    samples: Path

    @classmethod
    def find(cls, environment: Mapping[str, str] = os.environ) -> Programs:
        """Find them in FABRIC_BIN or PATH, and in FABRIC_CFG_PATH or `config/` beside `bin/`.

        Raises:
            ProgramsError: something is missing; the message says what, where it was sought, and what to do.
        """
        folder = environment.get("FABRIC_BIN") or None
        where = "FABRIC_BIN" if folder else "PATH"
        found = {name: shutil.which(name, path=folder or environment.get("PATH", "")) for name in NAMES}
        missing = [name for name, path in found.items() if path is None]
        if missing:
            raise ProgramsError(f"Fabric's {', '.join(missing)} not found on {where}: {_ADVICE}")
        paths = {name: Path(path).resolve() for name, path in found.items() if path is not None}
        return cls(**paths, samples=_samples(environment, paths["peer"]))


def _samples(environment: Mapping[str, str], peer: Path) -> Path:
    named = environment.get("FABRIC_CFG_PATH")
    folder = Path(named) if named else peer.parent.parent / "config"
    missing = [name for name in _SAMPLES if not (folder / name).is_file()]
    if missing:
        place = "FABRIC_CFG_PATH" if named else "the config/ beside Fabric's bin/"
        raise ProgramsError(
            f"{' and '.join(missing)} not found in {place}: "
            "set FABRIC_CFG_PATH to the config/ of Fabric's release archive"
        )
    return folder
