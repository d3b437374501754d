"""The exceptions of the names check, each with its reason."""

MODULES: dict[str, str] = {
    "__main__": "Python's name of a package's command",
}
"""Module names that may stand in several folders."""

FOLDERS: dict[str, str] = {
    "docs/adr": "a numbered series with an index",
}
"""Folders that may have more than a dozen files."""
