"""Failures between the gateway and its ledger.

```
ExchangeError
├── RefusedError            500  the contract refused the call; `reason` says with which contract error
├── NodeKeyError            500  this node's key is missing, unreadable, or not the ledger's
└── UnavailableError        503
    ├── VoidedError         503  a key that the transaction read had changed before it committed
    ├── UnknownOutcomeError 503  it is not known whether the transaction committed
    ├── ClockWrongError     503  a clock is wrong; nothing is to be concluded from it
    └── InUseError          503  another process has the ledger's file open
```

Damage is `exchange.errors.DamagedError`. Messages name blocks, keys' kinds and codes, never values.
"""

from __future__ import annotations

from chaincode.errors import ClockError, ContractError
from exchange.errors import ExchangeError, UnavailableError


class RefusedError(ExchangeError):
    """The contract refused: nothing was written. A service that expects a refusal reads `reason`."""

    code, status = "processing", 500

    def __init__(self, reason: ContractError) -> None:
        super().__init__(f"{reason.code}: {reason}")
        self.reason = reason


class NodeKeyError(ExchangeError):
    """This node's signing key is missing, unreadable, or not the one that the ledger was begun with."""

    code, status = "exception", 500


class VoidedError(UnavailableError):
    """A key that the transaction read had changed before the commit: nothing was written, submit it anew."""


class UnknownOutcomeError(UnavailableError):
    """It is not known whether the transaction committed; nothing may be released on it."""


class InUseError(UnavailableError):
    """Another process has the ledger's file open for writing."""


class ClockWrongError(UnavailableError):
    """The clock of this machine, or of one that endorses, is wrong: the call is as good as not made."""


def refusal(reason: ContractError) -> RefusedError | ClockWrongError:
    """Return the error for a contract's refusal; one that is about time passes by itself."""
    if isinstance(reason, ClockError):
        return ClockWrongError(
            "the clocks of this gateway and of the endorsing peers' chaincode are more than five minutes "
            "apart; nothing is decided until they are set right"
        )
    return RefusedError(reason)
