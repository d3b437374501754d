"""Errors in a block, before it has a place in a finding."""

from __future__ import annotations


class UnreadableError(Exception):
    """Bytes are not the message that they should be; the text says which."""


class InvalidError(Exception):
    """A transaction deserves another verdict than VALID: `code` is a name of `TxValidationCode`."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code, self.why = code, why


class BlockError(Exception):
    """A block contradicts itself or the channel's rules; the text says how."""
