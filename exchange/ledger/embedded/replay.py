"""Runs a committed transaction again on the state that it found, and compares what comes of it."""

from __future__ import annotations

from chaincode.caller import Caller
from chaincode.errors import ContractError
from chaincode.router import Router
from exchange.ledger.embedded.block import Call, Transaction
from exchange.ledger.embedded.check import MismatchError, name_of, printable
from exchange.ledger.embedded.engine import Execution, View, run
from exchange.ledger.embedded.storage import Storage


class Replay:
    """Replays the transactions of one ledger; they must come in the order of their places."""

    def __init__(self, storage: Storage) -> None:
        self._view = View(storage)
        self._now = 0
        # The endorser's clock at that time is not known; the guard it serves was passed then.
        self._router = Router(lambda: self._now)

    def check(self, place: int, transaction: Transaction) -> None:
        """Pass when the contracts do today what the block says that they did.

        Raises:
            MismatchError: naming the transaction and what differs.
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
            raise _differs(place, "the state that it read is not what was there")
        if again.result != effect.result:
            raise _differs(place, "the contract's result is another")
        for (key, digest), (held, held_digest) in zip(again.writes, effect.writes, strict=False):
            if (key, digest) != (held, held_digest):
                raise _differs(place, f"the contract writes another value to {printable(held)}")
        raise _differs(place, "the contract writes other keys or announces another event")

    def run(self, place: int, tx_id: str, caller: Caller, call: Call) -> tuple[bytes, Execution]:
        """What the contracts return to `call` today on the state before `place`, and what they do.

        Raises:
            ContractError: the contract refuses.
        """
        self._view.before, self._now = place, call.time
        execution = Execution(self._view, tx_id=tx_id, timestamp=call.time, caller=caller, transient={})
        result = run(self._router, execution, call.function, call.args)
        self._view.forget(list(execution.writes))
        return result, execution


def _differs(place: int, what: str) -> MismatchError:
    return MismatchError("transactions", name_of(place), what)
