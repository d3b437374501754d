"""The pairs that other gateways of the same organisation opened: a second one, or one that was lost.

They are no finding: their patients' keys were never here. A pair says which gateway opened it. One that an
earlier release opened doesn't say so, and is another's where it was retired and no subject here has its name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

import msgspec

from chaincode.consent.calls import PairOpener
from chaincode.consent.model import Pair
from exchange.crypto.keys import KeyRing
from exchange.crypto.pseudonyms import PatientSecret
from exchange.store.engine.database import Database
from exchange.store.keys.wrapped_keys import every_wrapped_key
from exchange.verify.reports import open_keys, snapshot

UNNAMED = ""
"""The name of gateways of earlier releases, which named none."""


class OpenedPairs(msgspec.Struct, frozen=True):
    """The pairs that one gateway of the organisation opened, and how many of them were retired.

    `first` and `last` are the times of the openings that hold, in ms since 1970 UTC.
    """

    node: str
    pairs: int
    retired: int
    first: int
    last: int


class OtherNodes:
    """Tells the pairs of other gateways of the custodian `msp_id` from those of `node`.

    `records` and `ring` are those of `node`; `recipients` are the organisations that its pairs may be with.
    """

    def __init__(
        self, *, msp_id: str, node: str, records: Database, ring: KeyRing, recipients: Collection[str]
    ) -> None:
        self._msp_id = msp_id
        self._node = node
        self._records = records
        self._ring = ring
        self._recipients = recipients

    def opened(self, name: str, custodian: str, opener: Pair | PairOpener) -> bool:
        """Return whether the pair `name` of `custodian` is that of another gateway of the organisation."""
        if custodian != self._msp_id or opener.node == self._node:
            return False
        return opener.node != UNNAMED or (bool(opener.retired) and not self.is_own(name))

    def is_own(self, name: str) -> bool:
        """Return whether a subject here has the pair `name`, by its keys.

        Raises:
            DamagedError: a subject's key does not open.
        """
        return name in self._own

    def among(self, names: Collection[str], pairs: Iterable[tuple[str, Pair]]) -> set[str]:
        """Return those of `names` that other gateways opened, by all `pairs` of a ledger."""
        wanted = frozenset(names)
        return {name for name, pair in pairs if name in wanted and self.opened(name, pair.custodian, pair)}

    def by_node(
        self, pairs: Iterable[tuple[str, Pair]], *, doubtful: bool = False
    ) -> dict[str, dict[str, Pair]]:
        """Return the pairs that other gateways opened, by the gateway's name.

        With `doubtful`, also those of no subject here that an earlier release opened, retired or not.
        """
        found: dict[str, dict[str, Pair]] = {}
        for name, pair in pairs:
            if self.opened(name, pair.custodian, pair) or (
                doubtful and (pair.custodian, pair.node) == (self._msp_id, UNNAMED) and not self.is_own(name)
            ):
                found.setdefault(pair.node, {})[name] = pair
        return found

    @cached_property
    def _own(self) -> frozenset[str]:
        with snapshot(self._records) as connection:
            wrapped = every_wrapped_key(connection)
        secrets = (PatientSecret(open_keys(self._ring, token, wrapped).secret) for token in wrapped)
        return frozenset(secret.pair(one) for secret in secrets for one in self._recipients)


def summaries(by_node: Mapping[str, Mapping[str, Pair]]) -> list[OpenedPairs]:
    """Return what each gateway of `OtherNodes.by_node` opened, in the order of their names."""
    found = []
    for node, pairs in sorted(by_node.items()):
        times = [pair.opened for pair in pairs.values()]
        retired = sum(1 for pair in pairs.values() if pair.retired)
        found.append(OpenedPairs(node, len(pairs), retired, min(times), max(times)))
    return found
