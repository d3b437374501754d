"""The replay of committed transactions on the state that each of them found, compared with its block.

Transactions before these contracts were adopted (`chaincode.adoption`) are not run again.
"""

from __future__ import annotations

from collections.abc import Iterable

from chaincode.adoption import VERSION, VERSION_KEY, adopted_version
from chaincode.caller import Caller
from chaincode.errors import ContractError
from chaincode.router import Router
from exchange.ledger.embedded.block import Call, Transaction
from exchange.ledger.embedded.block_checks import MismatchError, name_of, printable
from exchange.ledger.embedded.engine import Execution, View, run
from exchange.ledger.embedded.storage import Storage

_ADOPTED = VERSION_KEY.encode()


class Replay:
    """The replay of one ledger's transactions; they must come in the order of their places."""

    def __init__(self, storage: Storage) -> None:
        self._view = View(storage)
        self._now = 0
        self._adopted = False
        # The endorser's clock at that time is not known; the guard it serves was passed then.
        self._router = Router(lambda: self._now)

    def reaches(self, place: int, written: Iterable[bytes]) -> bool:
        """Return whether these contracts had been adopted at `place`, or are by its keys `written`."""
        if not self._adopted:
            self._view.before = place
            found = self._view.value(_ADOPTED)
            self._view.forget([_ADOPTED])
            adopted = found is not None and adopted_version(found[0]) >= VERSION
            self._adopted = adopted or _ADOPTED in written
        return self._adopted

    def check(self, place: int, transaction: Transaction) -> None:
        """Check that the contracts have the same effect today as the block says.

        Raises:
            MismatchError: naming the transaction and the difference.
        """
        call, effect = transaction.call, transaction.effect
        try:
            result, execution = self.run(place, transaction.tx_id.hex(), Caller(call.caller), call)
        except ContractError as refusal:
            raise _differs(place, f"the contract refuses it: {refusal.code}") from None
        again = execution.effect(result)
        if again == effect:
            return
        if again.reads != effect.reads:
            raise _differs(place, "the state that it read is not the one that was there")
        if again.result != effect.result:
            raise _differs(place, "the contract's result is another")
        for (key, digest), (written, written_digest) in zip(again.writes, effect.writes, strict=False):
            if (key, digest) != (written, written_digest):
                raise _differs(place, f"the contract writes another value to {printable(written)}")
        raise _differs(place, "the contract writes other keys or announces another event")

    def run(self, place: int, tx_id: str, caller: Caller, call: Call) -> tuple[bytes, Execution]:
        """Run `call` today on the state before `place`; return the result and the execution with its effect.

        Raises:
            ContractError: the contract refuses.
        """
        self._view.before, self._now = place, call.time
        execution = Execution(self._view, tx_id=tx_id, timestamp=call.time, caller=caller, transient={})
        result = run(self._router, execution, call.function, call.args)
        self._view.forget(list(execution.writes))
        return result, execution


def _differs(place: int, difference: str) -> MismatchError:
    return MismatchError("transactions", name_of(place), difference)
