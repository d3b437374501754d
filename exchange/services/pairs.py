"""Keeps the ledger's pairs in step with what patients decided.

A pair stands for one subject towards one recipient. The custodian's own pair is open from the start;
another opens at that organisation's first request, with the terms that hold by then, if there are any:
a pair that is not open denies. A change of consent goes to every pair of the subject, one transaction
after the other so that no transaction joins two of them, and is acknowledged when all are committed.

Opening and filing of one subject exclude each other: a pair that opens while a revocation is being
filed would otherwise open with the old terms and be missed by the filing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from weakref import WeakValueDictionary

import msgspec
import structlog

from chaincode.consent.calls import Opening
from chaincode.consent.model import Provision, Terms
from chaincode.errors import ConflictError
from exchange.core.errors import UnavailableError
from exchange.core.terms import ConsentDraft, PairContext, terms_for, terms_id
from exchange.crypto.documents import open_side, seal_side
from exchange.crypto.keys import SubjectKeys
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError
from exchange.ledger.pseudonyms import PatientSecret
from exchange.services.keys import Keys
from exchange.store import subjects as store
from exchange.store.database import Database

_OPEN_LIMIT = 500
_MOST_UNFILED = 1_000
_AGAIN = 2.0
_log = structlog.get_logger()
_REMEMBERED = 50_000


def _label(reference: bytes) -> bytes:
    return b"draft" + reference


def seal_draft(keys: SubjectKeys, reference: bytes, version: int, draft: ConsentDraft) -> store.DraftRow:
    """A compiled consent as the store keeps it."""
    sealed = seal_side(keys, _label(reference), msgspec.json.encode(draft))
    return store.DraftRow(reference, version, sealed)


def open_draft(keys: SubjectKeys, row: store.DraftRow) -> ConsentDraft:
    """The compiled consent that `seal_draft` sealed.

    Raises:
        DamagedError: the row does not verify.
    """
    return msgspec.json.decode(open_side(keys, _label(row.reference), row.sealed), type=ConsentDraft)


class Pairs:
    """Opens pairs and files consent changes for the gateway of the custodian `msp_id`."""

    def __init__(
        self,
        *,
        msp_id: str,
        members: Mapping[str, str],
        directory: bytes,
        records: Database,
        keys: Keys,
        ledger: LedgerClient,
    ) -> None:
        self._msp_id = msp_id
        self._members = members
        self._directory = directory
        self._records = records
        self._keys = keys
        self._ledger = ledger
        self._open: OrderedDict[tuple[bytes, str], None] = OrderedDict()
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def ensure(self, subjects: Sequence[SubjectKeys], recipient: str) -> frozenset[bytes]:
        """Open what should be open towards `recipient` before `subjects` are asked for.

        Returns the store tokens of those whose pair is open on the ledger now.

        Raises:
            UnavailableError: the ledger can't be reached.
        """
        unsure = [keys for keys in subjects if (keys.token, recipient) not in self._open]
        if unsure:
            await self._settle(unsure, recipient)
        return frozenset(keys.token for keys in subjects if (keys.token, recipient) in self._open)

    async def open_towards(self, recipient: str, *, limit: int) -> list[bytes]:
        """The tokens of up to `limit` subjects whose pair towards `recipient` is open, in their own order.

        What was granted and not asked for by name since is opened first.

        Raises:
            UnavailableError: the ledger can't be reached.
        """
        granted = await self._records.read(lambda c: store.noted_towards(c, recipient, limit))
        if granted:
            await self.ensure(list((await self._keys.find(granted)).values()), recipient)
        return await self._records.read(lambda c: store.open_towards(c, recipient, limit))

    async def _settle(self, unsure: Sequence[SubjectKeys], recipient: str) -> None:
        tokens = [keys.token for keys in unsure]
        opened = await self._records.read(lambda c: store.opened_pairs(c, recipient, tokens))
        for token in opened:
            self._remember(token, recipient)
        closed = [keys for keys in unsure if keys.token not in opened]
        if recipient == self._msp_id:
            await self._open_own(closed)
        else:
            for keys in closed:
                async with self._lock(keys.token):
                    await self._open_for(keys, recipient)

    async def _open_own(self, subjects: Sequence[SubjectKeys]) -> None:
        # Many at once: these belong to many patients, so the transaction joins nothing.
        for start in range(0, len(subjects), _OPEN_LIMIT):
            chunk = subjects[start : start + _OPEN_LIMIT]
            if len(chunk) == 1:
                async with self._lock(chunk[0].token):
                    await self._open_for(chunk[0], self._msp_id)
                continue
            async with AsyncExitStack() as held:
                for token in sorted(
                    keys.token for keys in chunk
                ):  # in one order, so that none waits in a ring
                    await held.enter_async_context(self._lock(token))
                openings = [await self._opening(keys, self._msp_id) for keys in chunk]
                await self._open_pairs(chunk, openings)

    async def _opening(self, keys: SubjectKeys, recipient: str) -> Opening:
        drafts = await self._records.read(lambda c: store.drafts_of(c, keys.token))
        context = self._context(keys, recipient)
        terms = (terms_for(open_draft(keys, row), context) for row in drafts)
        return Opening(
            pair=PatientSecret(keys.secret).pair(recipient),
            recipient=recipient,
            subject="directory" if keys.token == self._directory else "patient",
            terms=tuple(found for found in terms if found is not None and found.status == "active"),
        )

    async def _open_for(self, keys: SubjectKeys, recipient: str) -> None:
        opening = await self._opening(keys, recipient)
        if opening.terms or recipient == self._msp_id or keys.token == self._directory:
            await self._open_pairs([keys], [opening])

    async def _open_pairs(self, subjects: Sequence[SubjectKeys], openings: Sequence[Opening]) -> None:
        rows = [
            (keys.token, opening.recipient, opening.pair)
            for keys, opening in zip(subjects, openings, strict=True)
        ]
        await self._records.write(lambda c: store.note_pairs(c, rows))
        outcomes = await self._ledger.open_pairs(openings)
        for opening, outcome in zip(openings, outcomes, strict=True):
            if outcome == "already-open":  # before a crash, perhaps with older terms
                for terms in opening.terms:
                    await self._file(opening.pair, terms)
        names = [opening.pair for opening in openings]
        await self._records.write(lambda c: store.confirm_pairs(c, names))
        for keys, opening in zip(subjects, openings, strict=True):
            self._remember(keys.token, opening.recipient)

    async def file(self, subject: bytes, reference: bytes) -> None:
        """Bring the newest version of one consent to every pair of its subject; returns when it holds.

        Raises:
            UnavailableError: the ledger can't be reached; the change waits in the outbox.
        """
        keys = (await self._keys.find([subject])).get(subject)
        if keys is None:
            return
        async with self._lock(subject):
            drafts = await self._records.read(lambda c: store.drafts_of(c, subject))
            row = next((row for row in drafts if row.reference == reference), None)
            if row is None:
                return
            for known in await self._records.read(lambda c: store.pairs_of(c, subject)):
                if not known.opened:  # cut off: the ledger may have it, with terms that have ended since
                    await self._open_for(keys, known.recipient)
                terms = await self._change(keys, known, row)
                if terms is not None:
                    await self._file(known.pair, terms)
            granted = self._granted(keys, open_draft(keys, row))
            if granted:
                await self._records.write(lambda c: store.note_pairs(c, granted))
            await self._records.write(lambda c: store.filed(c, subject, reference, row.version))

    def _granted(self, keys: SubjectKeys, draft: ConsentDraft) -> list[tuple[bytes, str, str]]:
        # To whom it gives something. Their pairs are noted and stay closed until they ask: a search that
        # names nobody could not find them otherwise.
        contexts = [self._context(keys, member) for member in dict.fromkeys(self._members.values())]
        found = [(context.recipient, terms_for(draft, context)) for context in contexts]
        secret = PatientSecret(keys.secret)
        return [
            (keys.token, recipient, secret.pair(recipient))
            for recipient, terms in found
            if terms is not None and terms.status == "active"
        ]

    async def recover(self) -> int:
        """File what is still in the outbox; returns how many changes could be filed."""
        done = 0
        for subject, reference in await self._records.read(lambda c: store.unfiled(c, _MOST_UNFILED)):
            try:
                await self.file(subject, reference)
                done += 1
            except (RefusedError, UnavailableError) as why:
                # One consent that can't be filed now must keep neither the node nor the others waiting.
                _log.warning("consent.unfiled", error=type(why).__name__)
        return done

    async def keep_filing(self) -> None:
        """File what the ledger could not take at the time, again and again, until cancelled."""
        while True:
            await asyncio.sleep(_AGAIN)
            with suppress(UnavailableError):
                await self.recover()

    async def _file(self, pair: str, terms: Terms) -> None:
        try:
            await self._ledger.file_terms([(pair, terms)])
        except RefusedError as refused:
            if not isinstance(refused.reason, ConflictError):  # this version or a newer one is there already
                raise

    async def _change(self, keys: SubjectKeys, known: store.PairRow, row: store.DraftRow) -> Terms | None:
        draft, context = open_draft(keys, row), self._context(keys, known.recipient)
        terms = terms_for(draft, context)
        if terms is not None and terms.status == "active":
            return terms
        # Nothing for this recipient (any more): if it had terms on the ledger, they end now. A pair that
        # it never concerned is left alone, or the change would join the pairs of one patient.
        name = terms_id(draft, context)
        held = await self._ledger.read_pair(known.pair)
        if held is None or all(terms.id != name or terms.status != "active" for terms in held.consents):
            return None
        return Terms(
            id=name,
            version=row.version,
            status="inactive",
            attested=draft.attested,
            root=Provision(effect="none"),
        )

    def _context(self, keys: SubjectKeys, recipient: str) -> PairContext:
        salt = PatientSecret(keys.secret).salt(recipient)
        return PairContext(recipient=recipient, salt=salt, members=self._members)

    def _remember(self, token: bytes, recipient: str) -> None:
        self._open[token, recipient] = None
        if len(self._open) > _REMEMBERED:
            self._open.popitem(last=False)

    def _lock(self, token: bytes) -> asyncio.Lock:
        lock = self._locks.get(token)
        if lock is None:
            lock = self._locks[token] = asyncio.Lock()
        return lock
