"""The refusals of a contract, one class per reason.

```
ContractError            the transaction is refused; nothing is written
├── BadArgumentError     an argument can't be understood
├── NotFoundError        the key that the call names has no value
├── ConflictError        the call does not fit the present state of the ledger
├── ForbiddenError       this caller may not make this call
└── ClockError           the proposal's time is too far from the endorser's clock
```

The codes are part of the protocol between gateways and peers: a gateway on another release reads them.
"""

from __future__ import annotations

from typing import ClassVar


class ContractError(Exception):
    """Refuse the transaction; the caller sees `code` and the message, and nothing is written."""

    code: ClassVar[str] = "contract"
    status: ClassVar[int] = 500


class BadArgumentError(ContractError):
    """An argument can't be understood: wrong shape, unknown code, out of bounds."""

    code = "bad-argument"
    status = 400


class NotFoundError(ContractError):
    """The key that the call names has no value."""

    code = "not-found"
    status = 404


class ConflictError(ContractError):
    """The call does not fit the present state of the ledger (already open, older version, wrong epoch)."""

    code = "conflict"
    status = 409


class ForbiddenError(ContractError):
    """This caller may not make this call."""

    code = "forbidden"
    status = 403


class ClockError(ContractError):
    """The proposal's time is further from the endorser's clock than the guard allows."""

    code = "clock"
    status = 412


def _tree(root: type[ContractError]) -> dict[str, type[ContractError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


def from_code(code: str, message: str) -> ContractError:
    """Return the error that `code` names, as a gateway receives it; an unknown code stays general."""
    return _tree(ContractError).get(code, ContractError)(message)
