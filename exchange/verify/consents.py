"""Checks of the rows between documents and ledger: keys, pairs, consents, and details of log entries.

The rule that matters most: every permission on the ledger is the newest version of a consent that is
stored here and active, and recorded as requested there: of requests that are still on their way, a
revocation knows by these rows alone. A row that was deleted or put back could otherwise suppress it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, Integer, Select, func, or_, select, type_coerce
from sqlalchemy.sql.elements import ColumnElement

from chaincode.consent.model import Pair
from exchange.consent.compile import PairContext, is_of_version, terms_id
from exchange.crypto.keys import KeyRing, SubjectKeys
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.references import References
from exchange.errors import DamagedError
from exchange.ledger.port import LedgerReader
from exchange.services.access.details import open_detail
from exchange.services.consents.expected import open_consent
from exchange.store.engine.database import Database
from exchange.store.keys import wrapped_keys
from exchange.store.log import log_tables
from exchange.store.records import documents, outbox, subjects, watched
from exchange.verify.other_nodes import OtherNodes
from exchange.verify.reports import CheckedPart, Progress, WrongError, check_part, open_keys, snapshot

_ATTEMPTS = 4
_PAUSE = 0.25


class ConsentChecks:
    """The checks of one node's databases against its ledger, of which it is the custodian `msp_id`.

    `members` maps the names that consents use. Pairs of `others` are left alone.
    """

    def __init__(
        self,
        *,
        msp_id: str,
        records: Database,
        entries: Database,
        ledger: LedgerReader,
        ring: KeyRing,
        references: References,
        members: Mapping[str, str],
        others: OtherNodes,
    ) -> None:
        self._msp_id = msp_id
        self._records = records
        self._entries = entries
        self._ledger = ledger
        self._ring = ring
        self._references = references
        self._members = members
        self._others = others

    def check_consents(self, progress: Progress) -> CheckedPart:
        """Check every subject's key, pair and consent, and that the ledger permits nothing else."""
        with snapshot(self._records) as connection:
            stored = check_part("consents", self._stored(connection), progress, lambda: _subjects(connection))
        if stored.finding is not None:
            return stored
        return CheckedPart(
            "consents", stored.count, check_part("consents", self._published(), progress, lambda: 1).finding
        )

    def check_details(self, progress: Progress) -> CheckedPart:
        """Check the sealed details: each opens with its subject's key, for its own entry alone."""
        with snapshot(self._records) as records, snapshot(self._entries) as connection:
            total = select(func.count()).select_from(log_tables.details)
            return check_part(
                "details",
                self._details(connection, records),
                progress,
                lambda: int(connection.execute(total).scalar_one()),
            )

    def _stored(self, connection: Connection) -> Iterator[None]:
        wrapped = wrapped_keys.every_wrapped_key(connection)
        for token in wrapped:
            try:
                open_keys(self._ring, token, wrapped)
            except (DamagedError, ValueError) as why:
                raise WrongError("subject_keys", f"a key does not open ({why})") from None
            yield
        for pair in connection.execute(select(subjects.pairs)):
            keys = self._keys(pair.subject, wrapped, "pairs")
            if pair.pair != PatientSecret(keys.secret).pair(pair.recipient):
                raise WrongError("pairs", "a row's pseudonym is not its subject's towards its recipient")
        for grant in connection.execute(select(subjects.grants)):
            if grant.subject not in wrapped or grant.recipient not in self._members.values():
                raise WrongError("grants", "a row belongs to no subject and member")
        newest = self._newest_consents(connection)
        for row in connection.execute(select(subjects.compiled_consents)):
            keys = self._keys(row.subject, wrapped, "compiled_consents")
            consent = open_consent(keys, subjects.CompiledRow(row.reference, row.version, row.sealed))
            if not row.version == consent.version == newest.pop(row.reference, 0):
                raise WrongError("compiled_consents", "a consent is not compiled from its newest version")
        if newest:
            raise WrongError("compiled_consents", "a stored consent has no compiled form")
        if connection.execute(_requests_of_nothing()).scalar_one():
            raise WrongError("requested_consents", "a row belongs to no consent and pair")
        waiting = outbox.outbox
        unknown = (
            select(func.count())
            .select_from(waiting.outerjoin(subjects.compiled_consents, _same_consent()))
            .where(waiting.c.topic == watched.CONSENTS, subjects.compiled_consents.c.reference.is_(None))
        )
        if connection.execute(unknown).scalar_one():
            raise WrongError("outbox", "a row belongs to no consent")

    def _newest_consents(self, connection: Connection) -> dict[bytes, int]:
        table, tokens = documents.documents.c, documents.search_tokens
        statement = select(table.reference, table.version).join(tokens, tokens.c.sequence == table.sequence)
        wanted = statement.where(tokens.c.token == self._references.of_type("Consent"))
        return {row.reference: row.version for row in connection.execute(wanted)}

    def _keys(self, token: bytes, wrapped: dict[bytes, bytes], table: str) -> SubjectKeys:
        try:
            return open_keys(self._ring, token, wrapped)
        except DamagedError:
            raise WrongError(table, "a row belongs to no subject") from None

    def _published(self) -> Iterator[None]:
        # A running gateway may be between two commits: only a lasting difference is a finding.
        wrong = self._differences()
        for _ in range(_ATTEMPTS - 1):
            if not wrong:
                break
            time.sleep(_PAUSE)
            again = self._differences()
            wrong = {place: problem for place, problem in wrong.items() if again.get(place) == problem}
        for (pair, _), problem in wrong.items():
            raise WrongError(f"pair {pair[:12]}", problem)
        yield

    def _differences(self) -> dict[tuple[str, int], str]:
        found: dict[tuple[str, int], str] = {}
        with snapshot(self._records) as connection:
            wrapped = wrapped_keys.every_wrapped_key(connection)
            rows = {row.pair: row for row in connection.execute(select(subjects.pairs))}
            waiting = outbox.all_waiting(connection, watched.CONSENTS)
            requested = {tuple(row) for row in connection.execute(select(subjects.requested_consents))}
            consents: dict[bytes, list[subjects.CompiledRow]] = {}
            for row in connection.execute(select(subjects.compiled_consents)):
                stored = subjects.CompiledRow(row.reference, row.version, row.sealed)
                consents.setdefault(row.subject, []).append(stored)
        self._ledger.catch_up()
        seen = set()
        for name, pair in self._ledger.pairs():
            known = rows.get(name)
            if known is None and (
                pair.custodian != self._msp_id or self._others.opened(name, pair.custodian, pair)
            ):
                continue  # another hospital's patient, or another gateway's
            seen.add(name)
            if known is None or (known.recipient, self._msp_id) != (pair.recipient, pair.custodian):
                found[name, pair.epoch] = _of_nobody(pair)
                continue
            keys = open_keys(self._ring, known.subject, wrapped)
            salt = PatientSecret(keys.secret).salt(known.recipient)
            context = PairContext(recipient=known.recipient, salt=salt, members=self._members)
            on_ledger = {terms.id: terms for terms in pair.consents}
            for stored in consents.get(known.subject, ()):
                consent = open_consent(keys, stored)
                terms = on_ledger.pop(terms_id(consent, context), None)
                if terms is None:
                    continue
                if (known.subject, known.recipient, stored.reference) not in requested:
                    found[name, pair.epoch] = "holds terms that no row says were requested there"
                stale = not is_of_version(terms.version, consent, context) or consent.status != "active"
                if terms.status == "active" and stale and (known.subject, stored.reference) not in waiting:
                    found[name, pair.epoch] = "permits what an older version of a consent said"
            if on_ledger:
                found[name, pair.epoch] = "holds terms of no consent that is stored"
        for name in rows.keys() - seen:
            if rows[name].opened:
                found[name, 0] = "is said to be open, and the ledger does not have it"
        return found

    def _details(self, connection: Connection, records: Connection) -> Iterator[None]:
        # In here, so that damage of the records is a finding.
        wrapped = wrapped_keys.every_wrapped_key(records)
        table, entry = log_tables.details.c, log_tables.entries.c
        attempt = type_coerce(table.attempt, Integer)
        same = log_tables.is_same_entry(log_tables.entries, log_tables.details)
        statement = select(
            table.tx, table.n, table.subject, attempt, table.sealed, entry.pair, entry.recipient
        ).select_from(log_tables.details.outerjoin(log_tables.entries, same))
        with connection.execute(statement.execution_options(yield_per=1_000)) as rows:
            for row in rows:
                place = f"detail {row.tx[:12]}-{row.n}"
                try:
                    keys = open_keys(self._ring, row.subject, wrapped)
                    open_detail(keys, row.tx, row.n, row.sealed)
                except DamagedError:
                    raise WrongError(place, "does not open with its subject's key") from None
                if row.attempt not in {0, 1}:
                    raise WrongError(place, "has a flag that is neither 0 nor 1")
                secret = PatientSecret(keys.secret)
                if row.pair is not None and not (
                    secret.is_one_time_pseudonym(row.pair, row.recipient)
                    if row.attempt
                    else secret.pair(row.recipient) == row.pair
                ):
                    raise WrongError(place, "its entry is under a name that is not its subject's")
                yield


def _of_nobody(pair: Pair) -> str:
    problem = "is open on the ledger, and no row says whose it is"
    if pair.node:
        return problem
    return f"{problem}; if a gateway of this hospital was lost, `consentry ledger nodes` shows what it opened"


def _subjects(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(wrapped_keys.subject_keys)).scalar_one())


def _requests_of_nothing() -> Select[int]:
    requests, consents, pairs = subjects.requested_consents, subjects.compiled_consents.c, subjects.pairs.c
    asked = requests.c
    consent = select(consents.version).where(
        consents.subject == asked.subject, consents.reference == asked.reference
    )
    pair = select(pairs.pair).where(pairs.subject == asked.subject, pairs.recipient == asked.recipient)
    return select(func.count()).select_from(requests).where(or_(~consent.exists(), ~pair.exists()))


def _same_consent() -> ColumnElement[bool]:
    waiting, consents = outbox.outbox.c, subjects.compiled_consents.c
    return (waiting.subject == consents.subject) & (waiting.reference == consents.reference)
