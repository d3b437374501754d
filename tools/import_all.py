"""Imports every module of the packages: a first look at whether a Python and the locks suit them."""

from __future__ import annotations

import importlib
import pkgutil

PACKAGES = ("chaincode", "analytics", "exchange")


def main() -> None:
    """Import all but the programs, which would run."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages([package], f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)


if __name__ == "__main__":
    main()
