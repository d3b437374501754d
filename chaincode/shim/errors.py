"""Failures between a contract and its peer, beside the contract's own refusals.

```
ShimError                 the invocation ends as a 500 without detail, unless the contract catches it
├── PeerError             the peer refused a question or a write (unknown collection, no permission)
└── ProposalError         the proposal can't be read; it is damaged, because the peer checks it first
SettingsError             the service can't start with these environment variables
```

A contract refuses with `chaincode.errors.ContractError`, which is not in this tree: it travels to the client.
"""

from __future__ import annotations


class ShimError(Exception):
    """Base of the errors that the shim raises into a contract."""


class PeerError(ShimError):
    """The peer refused; `question` is the message type that it refused. The text is the peer's own."""

    def __init__(self, question: str, text: str) -> None:
        super().__init__(f"{question}: {text}")
        self.question = question


class ProposalError(ShimError):
    """The proposal that the peer handed over can't be read."""


class SettingsError(Exception):
    """The service can't start with these settings; the message names the variable and the remedy."""
