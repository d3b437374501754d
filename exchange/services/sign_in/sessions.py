"""Sessions of patients' browsers: a token of another form, with the device, the last request and an end.

1. A session is a `Principal` like a token's, and is checked by the same service; it opens pages, never FHIR.
2. It ends after `LIFETIME` seconds, after `IDLE` seconds without a request, when its patient signs out or
   ends it from another device, when the passkeys are replaced, and with the patient's life.
3. A form carries a key that follows from the session's token, so that no other site can send one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection

from chaincode.access.model import RecordedAction
from exchange.auth.principal import Principal
from exchange.crypto.operator_seal import OperatorSeal
from exchange.crypto.references import References
from exchange.errors import UnauthenticatedError
from exchange.services.auth.identity_events import IdentityEvents
from exchange.services.auth.tokens import DrawnToken, Tokens, digest_of
from exchange.services.sign_in.refusals import SignInRefusal, SignInRefusedError
from exchange.store.engine.database import Database
from exchange.store.records import clients as token_store
from exchange.store.records.persons import sign_in as store
from exchange.store.records.persons.sign_in import SessionRow

LIFETIME: Final = 4 * 3600
"""Seconds that a session holds at most."""
IDLE: Final = 20 * 60
"""Seconds without a request after which a session is over."""

_SEEN_EVERY = 30
"""Seconds between two notes of a session's last request."""


class SessionDetail(msgspec.Struct, frozen=True):
    """The sealed part of a session: the patient, the device in words, the sign-in in words, and its time."""

    patient: str
    device: str
    proof: str
    began: int


@dataclass(frozen=True, slots=True)
class Session:
    """A session that holds. `key` stands in its forms."""

    token: str
    principal: Principal
    detail: SessionDetail

    @property
    def key(self) -> str:
        """The text that a form of this session carries."""
        return hmac.digest(self.token.encode(), b"consentry/form/1", "sha256").hex()

    def is_own_form(self, key: str) -> bool:
        """Return whether `key` came with a form of this session."""
        return hmac.compare_digest(self.key.encode(), key.encode(errors="surrogatepass"))


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session as its patient sees it: `name` stands in the log for it; `seen` and `expires` are in ms."""

    name: str
    detail: SessionDetail
    seen: int
    expires: int


class Sessions:
    """Begins, resolves, lists and ends the sessions of the hospital with the MSP id `msp_id`."""

    def __init__(
        self,
        *,
        msp_id: str,
        records: Database,
        seal: OperatorSeal,
        references: References,
        tokens: Tokens,
        events: IdentityEvents,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._msp_id = msp_id
        self._records = records
        self._seal = seal
        self._references = references
        self._tokens = tokens
        self._events = events
        self._now = clock

    async def drawn(self, patient: str, *, proof: str) -> DrawnToken:
        """Draw the token of a session of `patient`, which `begin` stores.

        Raises:
            SignInRefusedError: the patient is deceased.
        """
        principal = Principal.for_patient(self._msp_id, patient)
        if await self._tokens.is_over(principal):
            raise SignInRefusedError(SignInRefusal.PATIENT_OVER)
        return self._tokens.draw_session(principal, LIFETIME, by=proof)

    def owner(self, patient: str) -> str:
        """Return the mark of a patient in a form, which tells nothing of whose it is."""
        return hashlib.sha256(b"consentry/owner/1" + self._references.subject(patient)).hexdigest()[:16]

    def begin(
        self, connection: Connection, drawn: DrawnToken, patient: str, *, device: str, proof: str
    ) -> None:
        """Store a session."""
        now = int(self._now() * 1000)
        detail = SessionDetail(patient, device, proof, now)
        drawn.store(connection)
        row = SessionRow(
            digest=drawn.digest,
            client_id=drawn.client_id,
            subject=self._references.subject(patient),
            sealed=self._seal.seal_row(b"session\0" + drawn.digest, msgspec.json.encode(detail)),
            seen=now,
            expires=drawn.expires,
        )
        store.put_session(connection, row)

    async def open(self, patient: str, *, device: str, proof: str) -> str:
        """Begin a session of `patient` on the word of the operator, and return its token.

        Raises:
            SignInRefusedError: see `drawn`.
        """
        drawn = await self.drawn(patient, proof=proof)
        await self._records.write(lambda c: self.begin(c, drawn, patient, device=device, proof=proof))
        return drawn.token

    async def resolve(self, token: str) -> Session:
        """Return the session of a browser that sends `token`.

        Raises:
            SignInRefusedError: it is over, or never was.
            UnavailableError: the database or the ledger can't be reached.
        """
        try:
            principal = await self._tokens.resolve_session(token)
        except UnauthenticatedError:
            raise SignInRefusedError(SignInRefusal.SESSION_OVER) from None
        digest = digest_of(token)
        now = int(self._now() * 1000)
        row = await self._records.read(lambda c: store.find_session(c, digest))
        if row is None or now - row.seen >= IDLE * 1000:
            await self._end(principal, digest, principal.client_id, "after a time without use")
            raise SignInRefusedError(SignInRefusal.SESSION_OVER)
        if now - row.seen >= _SEEN_EVERY * 1000:
            await self._records.write(lambda c: store.see_session(c, digest, now))
        return Session(token, principal, self._detail(row))

    async def listed(self, principal: Principal) -> list[ListedSession]:
        """Return the sessions of a patient, the one seen last first."""
        subject = self._references.subject(principal.patient)
        now = int(self._now() * 1000)
        rows = await self._records.read(lambda c: store.sessions_of(c, subject, now))
        return [
            ListedSession(row.client_id, self._detail(row), row.seen, row.expires)
            for row in rows
            if now - row.seen < IDLE * 1000
        ]

    async def end(self, session: Session, name: str) -> bool:
        """End the session of this one's patient that the log knows by `name`; False if it was over."""
        subject = self._references.subject(session.principal.patient)
        now = int(self._now() * 1000)
        rows = await self._records.read(lambda c: store.sessions_of(c, subject, now))
        for row in rows:
            if secrets.compare_digest(row.client_id.encode(), name.encode(errors="surrogatepass")):
                return await self._end(session.principal, row.digest, row.client_id, "by the patient")
        return False

    def end_all(self, connection: Connection, patient: str, now: int) -> list[str]:
        """End every session of a patient, and return the ids that the log has of their principals."""
        rows = store.sessions_of(connection, self._references.subject(patient), now)
        for row in rows:
            store.remove_session(connection, row.digest)
            token_store.revoke_tokens(connection, [row.digest])
        return [row.client_id for row in rows]

    async def _end(self, principal: Principal, digest: bytes, name: str, why: str) -> bool:
        def work(connection: Connection) -> bool:
            store.remove_session(connection, digest)
            ended = bool(token_store.revoke_tokens(connection, [digest]))
            if ended:
                told = f"sign-in {name} ended {why}"
                self._events.put(connection, RecordedAction.TOKEN_ENDED, principal, told)
            return ended

        ended = await self._records.write(work)
        self._tokens.forget(name)
        return ended

    def _detail(self, row: SessionRow) -> SessionDetail:
        opened = self._seal.open_row(b"session\0" + row.digest, row.sealed)
        return msgspec.json.decode(opened, type=SessionDetail)
