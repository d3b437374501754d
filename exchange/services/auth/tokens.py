"""Access tokens for client assertions, and principals for access tokens.

Rules:
- an assertion gives one token: its `jti` is used up in the transaction that stores the token;
- unknown clients are indistinguishable by response and by work: their assertions are checked against a
  decoy key without a private half, and refused in the same words;
- a token is random, short-lived and stored as a digest; its principal is fixed when it is issued, and
  stored sealed under the token and a key of this gateway together;
- a client is as it was registered here (`registered_clients`), and signs with a key that it has now;
- an assertion without organisation and purpose stands for the client's own organisation, the purpose that
  it was registered with, and no user; one with a part of these is refused;
- a session of a person's browser is such a token of another form, which opens pages alone;
- a revoked token, or one of a disabled client, is refused at once by the process that revoked it, and
  within `RECHECK` seconds by every other process over the same database.

Source: SMART App Launch 2.2, "Backend Services"; RFC 6749, 7521, 7523; UDAP B2B client credentials.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Final

import msgspec
from cachetools import LRUCache
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import Connection

from chaincode.access.model import RecordedAction
from exchange.auth import assertions, scopes
from exchange.auth.clients import Client
from exchange.auth.oauth import OAuthError, TokenResponse
from exchange.auth.principal import Kind, Member, Principal
from exchange.crypto.operator_seal import OperatorSeal
from exchange.errors import (
    BadRequestError,
    DamagedError,
    UnauthenticatedError,
    UnavailableError,
)
from exchange.runtime.fair_queue import FairQueue, QueueFullError, peer
from exchange.runtime.metrics import TOKENS
from exchange.services.auth.client_commitments import WatchedClients
from exchange.services.auth.holders import HeldToken, Holder, Holders
from exchange.services.auth.identity_events import IdentityEvents, RefusedLogIns
from exchange.services.auth.key_sets import KeySets
from exchange.services.auth.patient_status import PatientStatus
from exchange.services.auth.proxies import Proxies
from exchange.services.auth.registered_clients import RegisteredClients
from exchange.services.auth.token_request import business_context, read_form
from exchange.store.engine.database import Database
from exchange.store.records import clients as store

LIFETIME: Final = 300
"""Seconds that a client's access token holds."""
RECHECK: Final = 1
"""Seconds after which a token that is in use is looked up again, in case another process revoked it."""
HOOK_PURPOSE: Final = "TREAT"
"""The purpose of use of the calls of CDS Hooks."""
LONGEST_LOCAL: Final = 12 * 3600
"""Seconds that a token issued by the operator may hold at most."""

_PREFIX = "cst_"  # lets a scanner of logs and repositories recognise a leaked token
_SESSION_PREFIX = "css_"
_TOKEN = re.compile(rf"(?:{_PREFIX}|{_SESSION_PREFIX})[A-Za-z0-9_-]{{43}}", re.ASCII)
_UNKNOWN_TOKEN = "the access token is unknown, expired or revoked"  # noqa: S105 - a message, not a token
_OVER = "an own token ends with the life; give a token to a person who acts for the patient"
_UNKNOWN_CLIENT = "the client or its key is unknown, or the signature does not hold"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Principal).decode
_CLOCKS_APART = 300
"""Seconds that a used assertion is stored beyond its life: a process with a clock that is ahead must
not forget one that a process behind would still accept."""


@dataclass(frozen=True, slots=True)
class DrawnToken:
    """A new token that is not stored yet: `store` does that, in a transaction. `expires` is in ms."""

    token: str
    client_id: str
    digest: bytes
    expires: int
    store: Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    recheck: float


class Tokens:
    """Issues, resolves and revokes access tokens, for the `clients` that are registered and for persons.

    `members` are the consortium's, by MSP id; `patients` tells who of the patients is deceased; `base_url` is
    this gateway's public address without a slash at the end. `cached` bounds the tokens in memory; `at_once`
    and `waiting` bound the signature checks that run and that queue.
    """

    def __init__(
        self,
        records: Database,
        members: Mapping[str, Member],
        *,
        base_url: str,
        seal: OperatorSeal,
        patients: PatientStatus | None = None,
        events: IdentityEvents | None = None,
        clock: Callable[[], float] = time.time,
        cached: int = 10_000,
        at_once: int = 2,
        waiting: int = 512,
    ) -> None:
        self.token_url: Final = f"{base_url}/auth/token"
        self._fhir_base = f"{base_url}/fhir"
        self._records = records
        self._members = members
        self._seal = seal
        self._holders = Holders(seal)
        self._patients = patients
        self._events = events
        self._announced: LRUCache[bytes, None] = LRUCache(cached)
        self._refused: RefusedLogIns | None = None
        self._proxies: Proxies | None = None
        self._watched: WatchedClients | None = None
        self._now = clock
        self._known: LRUCache[bytes, _Known] = LRUCache(cached)
        self._key_sets = KeySets()
        self.clients: Final = RegisteredClients(
            records, members, seal=seal, events=events, forget=self.forget, clock=lambda: _ms(clock())
        )
        self._revocations = 0
        self._decoys = _decoys()
        self._checks = FairQueue(at_once=at_once, waiting=waiting)

    def count_refusals(self, refused: RefusedLogIns) -> None:
        """Have log-ins that are refused counted: this process is the gateway."""
        self._refused = refused

    def note_refused_person(self) -> None:
        """Count a sign-in of a person that was refused; it is not known whose."""
        if self._refused is not None:
            self._refused.note(None, "")

    def watch_clients(self, watched: WatchedClients) -> None:
        """Have the clients compared with the entries about them: this process is the gateway."""
        self._watched = watched

    def check_proxies(self, proxies: Proxies) -> None:
        """Have the persons who act for patients checked: this process is the gateway, which may read."""
        self._proxies = proxies

    async def exchange_assertion(self, form: Sequence[tuple[str, str]]) -> TokenResponse:
        """Issue an access token for the client assertion in `form`, the decoded fields of a token request.

        Raises:
            OAuthError: the request is refused, and says why as far as the sender may know.
            UnavailableError: the database can't be reached; nothing was issued.
        """
        found: list[Client] = []
        try:
            issued = await self._exchange(form, found)
        except OAuthError as refused:
            TOKENS.labels("unavailable" if refused.status == 503 else "refused").inc()
            self._note(found, refused)
            raise
        TOKENS.labels("issued").inc()
        return issued

    async def _exchange(self, form: Sequence[tuple[str, str]], found: list[Client]) -> TokenResponse:
        fields = read_form(form)
        claimed = assertions.read_assertion(
            fields["client_assertion"], token_url=self.token_url, now=self._now()
        )
        if fields.get("client_id", claimed.client_id) != claimed.client_id:
            raise OAuthError("invalid_request", "client_id must be the iss of the assertion, or left out")
        client = await self._authenticate(claimed, found)
        principal = self._principal(client, claimed, fields.get("scope", ""))
        expires = self._now() + LIFETIME
        token, digest = _draw()
        sealed = self._seal.seal_bearer(token, _encode(principal), expires=_ms(expires))
        generation = self._revocations
        await self._records.write(
            lambda c: self._issue(c, claimed, digest=digest, sealed=sealed, expires=expires)
        )
        if generation == self._revocations:
            self._remember(digest, principal, expires)
        return TokenResponse(access_token=token, expires_in=LIFETIME, scope=" ".join(principal.scopes))

    async def recognise(self, text: str, *, url: str, user: str) -> Principal:
        """Return the principal that calls the CDS service at `url` with the JWT `text`, to treat, for `user`.

        The JWT is good for one request. The client's registration bounds its rights; `user` is as the client
        states it.

        Raises:
            UnauthenticatedError: it does not hold, or was used before.
            UnavailableError: the database can't be reached, or too many signatures wait to be checked.
        """
        found: list[Client] = []
        try:
            claimed = assertions.read_hook_token(text, url=url, now=self._now())
            client = await self._authenticate(claimed, found)
            await self._records.write(lambda c: self._use(c, claimed))
        except OAuthError as refused:
            self._note(found, refused)
            kind = UnavailableError if refused.status == 503 else UnauthenticatedError
            raise kind(refused.description) from None
        if not client.may_state(HOOK_PURPOSE):
            raise UnauthenticatedError("the client is not registered to ask for treatment")
        return Principal(
            kind=Kind.SYSTEM,
            client_id=client.client_id,
            organization=client.organization,
            purpose=HOOK_PURPOSE,
            scopes=client.scopes,
            evidence=claimed.evidence,
            user=user,
            user_name="" if user else client.name,
        )

    async def resolve(self, token: str) -> Principal:
        """Return the principal that `token` stands for.

        Raises:
            UnauthenticatedError: it is unknown, expired or revoked.
            UnavailableError: the database can't be reached.
        """
        if not token.startswith(_PREFIX):
            raise UnauthenticatedError(_UNKNOWN_TOKEN)
        return await self._resolve(token)

    async def resolve_session(self, token: str) -> Principal:
        """Return the principal of the browser's session `token`.

        Raises:
            UnauthenticatedError, UnavailableError: see `resolve`.
        """
        if not token.startswith(_SESSION_PREFIX):
            raise UnauthenticatedError(_UNKNOWN_TOKEN)
        return await self._resolve(token)

    async def _resolve(self, token: str) -> Principal:
        digest = digest_of(token)
        known = self._known.get(digest)
        if known is not None and 0 < known.recheck - self._now() <= RECHECK:
            return known.principal
        return await self._look_up(token, digest)

    async def issue_local(self, principal: Principal, lifetime: int, *, by: str = "") -> str:
        """Issue a token for `principal` that holds `lifetime` seconds, on the word of the operator `by`.

        Raises:
            BadRequestError: the lifetime is not 1 second to 12 hours, or the patient is deceased.
        """
        if not 1 <= lifetime <= LONGEST_LOCAL:
            raise BadRequestError(f"a token's lifetime is 1 to {LONGEST_LOCAL} seconds")
        if await self.is_over(principal):
            raise BadRequestError(f"Patient/{principal.patient} is deceased: {_OVER}")
        drawn = self._drawn(principal, lifetime, by=by)
        await self._records.write(drawn.store)
        return drawn.token

    def draw_session(self, principal: Principal, lifetime: int, *, by: str) -> DrawnToken:
        """Draw the token of a session of `principal` that holds `lifetime` seconds, proven by `by`."""
        return self._drawn(principal, lifetime, by=by, prefix=_SESSION_PREFIX)

    def _drawn(self, principal: Principal, lifetime: int, *, by: str, prefix: str = _PREFIX) -> DrawnToken:
        now = self._now()
        expires = _ms(now + lifetime)
        token, digest = _draw(prefix)
        sealed = self._seal.seal_bearer(token, _encode(principal), expires=expires)
        holder = self._holders.sealed(digest, Holder(principal.kind, principal.user, by, _ms(now)))

        def work(connection: Connection) -> None:
            store.store_token(
                connection,
                digest,
                client_id=principal.client_id,
                principal=sealed,
                expires=expires,
                holder=holder,
            )
            if self._events is not None:
                told = f"token {principal.client_id} for {lifetime} s, issued by {by or 'the gateway'}"
                self._events.put(connection, RecordedAction.TOKEN_ISSUED, principal, told)

        return DrawnToken(token, principal.client_id, digest, expires, work)

    async def held(self) -> list[HeldToken]:
        """Return the tokens that persons hold."""
        return await self._records.read(lambda c: self._holders.held(c, _ms(self._now())))

    async def revoke(self, token: str) -> None:
        """Void `token` for its holder; of a person's that still held this is an event of identity.

        An unknown token is no error.
        """
        digest = digest_of(token)

        def work(connection: Connection) -> None:
            principal = self._holding_person(connection, token, digest)
            if store.revoke_tokens(connection, [digest]) and principal is not None and self._events:
                told = f"token {principal.client_id} ended by its holder"
                self._events.put(connection, RecordedAction.TOKEN_ENDED, principal, told)

        if _TOKEN.fullmatch(token):
            await self._records.write(work)
        self._revocations += 1
        self._known.pop(digest, None)

    async def end(self, whose: str, *, by: str = "") -> int:
        """Void every token of a person, or of the client with that id, and return how many there were.

        A gateway that is running refuses them within `RECHECK` seconds.
        """

        def work(connection: Connection) -> int:
            count = self._holders.end(connection, whose, _ms(self._now()))
            if count and self._events is not None:
                told = f"{count} tokens of {whose} ended"
                self._events.put_of_operator(connection, RecordedAction.TOKEN_ENDED, by, told)
            return count

        ended = await self._records.write(work)
        self._revocations += 1
        self._known.clear()
        return ended

    def _holding_person(self, connection: Connection, token: str, digest: bytes) -> Principal | None:
        """Return the person whom `token` stands for now; None where it gives no person access."""
        with suppress(DamagedError):  # such a token is refused, and can be voided all the same
            found = store.find_token(connection, digest)
            if found is not None and found.holder is not None and self._holds(found.expires):
                return self._principal_in(token, digest, found)
        return None

    def _holds(self, expires: int) -> bool:
        """Return whether a token holds; one that would for too long was issued by a clock that was ahead."""
        return 0 < expires / 1000 - self._now() <= LONGEST_LOCAL

    def _principal_in(self, token: str, digest: bytes, found: store.StoredToken) -> Principal:
        """Return the principal of a stored token.

        Raises:
            DamagedError: it does not verify.
        """
        principal = _decode(self._seal.open_bearer(token, found.principal, expires=found.expires))
        if principal.client_id != found.client_id or not self._holders.is_of(digest, found.holder, principal):
            # Disabling that client, or ending that person's tokens, would not find it.
            raise DamagedError("a stored access token does not verify; ask for a new one")
        return principal

    def forget(self, client_id: str) -> None:
        """Look the tokens of a client up again before they count: some of them were voided."""
        self._revocations += 1
        for digest in [d for d, known in self._known.items() if known.principal.client_id == client_id]:
            del self._known[digest]

    def _note(self, found: Sequence[Client], refused: OAuthError) -> None:
        if self._refused is not None and refused.status != 503:
            self._refused.note(found[0] if found else None, refused.description)

    async def _authenticate(self, claimed: assertions.Assertion, found: list[Client]) -> Client:
        """Return the client that signed `claimed`; one that is registered is put into `found` at any rate."""
        try:
            async with self._checks.turn(peer.get()):
                if self._watched is not None:
                    await self._watched.check()
                client = await self._records.read(lambda c: self.clients.find(c, claimed.client_id))
            found += [client] if client else []
            key = None
            if client and client.disabled is None:  # between two turns: an address may take its time
                key = await self._key_sets.key(client, claimed.kid, claimed.algorithm)
            async with self._checks.turn(peer.get()):
                against = key or self._decoys[claimed.algorithm]
                valid = await asyncio.to_thread(assertions.verifies, claimed, against)
        except QueueFullError:
            raise OAuthError(
                "temporarily_unavailable", "too many token requests at once; ask again"
            ) from None
        if client is None or key is None or not valid:
            raise OAuthError("invalid_client", _UNKNOWN_CLIENT)
        return client

    def _principal(self, client: Client, claimed: assertions.Assertion, scope: str) -> Principal:
        context = business_context(client, claimed)
        member = self._members.get(client.organization)
        if member is None or context.organization_id not in self._names(member):
            message = (
                "hl7-b2b.organization_id must be the client's own organisation: its MSP id or Organization"
            )
            raise OAuthError("invalid_grant", message)
        granted = scopes.grant(scope.split(), client.scopes, level="system")
        if not granted:
            message = "scope must name at least one scope like system/Observation.rs that the client may have"
            raise OAuthError("invalid_scope", message)
        return Principal(
            kind=Kind.SYSTEM,
            client_id=client.client_id,
            organization=client.organization,
            purpose=context.purpose,
            scopes=granted,
            evidence=claimed.evidence,
            user=context.user or client.client_id,
            user_name=context.user_name if context.user else client.name,
            role=context.role,
            reason=context.reason,
            identifiers=context.identifiers,
        )

    def _names(self, member: Member) -> tuple[str, ...]:
        reference = f"Organization/{member.organization}"
        return member.msp_id, reference, f"{self._fhir_base}/{reference}"

    def _issue(
        self,
        connection: Connection,
        claimed: assertions.Assertion,
        *,
        digest: bytes,
        sealed: bytes,
        expires: float,
    ) -> None:
        self._use(connection, claimed)
        store.store_token(
            connection, digest, client_id=claimed.client_id, principal=sealed, expires=_ms(expires)
        )

    def _use(self, connection: Connection, claimed: assertions.Assertion) -> None:
        client = self.clients.find(connection, claimed.client_id, lock=True)
        lost = client is None or not (client.jwks_url or client.key(claimed.kid, claimed.algorithm))
        if lost or client is None or client.disabled is not None:
            raise OAuthError("invalid_client", _UNKNOWN_CLIENT)
        until = claimed.expires + _CLOCKS_APART
        if not store.use_assertion(connection, claimed.client_id, claimed.jti, _ms(until)):
            raise OAuthError("invalid_client", "this assertion has been used; sign a new one with a new jti")

    async def _look_up(self, token: str, digest: bytes) -> Principal:
        self._known.pop(digest, None)
        if not _TOKEN.fullmatch(token):
            raise UnauthenticatedError(_UNKNOWN_TOKEN)
        generation = self._revocations
        found = await self._records.read(lambda c: store.find_token(c, digest))
        if found is None or not self._holds(found.expires):
            raise UnauthenticatedError(_UNKNOWN_TOKEN)
        principal = self._principal_in(token, digest, found)
        if await self.is_over(principal):
            raise UnauthenticatedError(_UNKNOWN_TOKEN)
        if found.holder is not None and self._events is not None and digest not in self._announced:
            await self._events.complete()
            self._announced[digest] = None
        if principal.is_proxy and self._proxies is not None:
            await self._proxies.check(principal)
        if generation == self._revocations:  # else it may have been revoked since it was read
            self._remember(digest, principal, found.expires / 1000)
        return principal

    async def is_over(self, principal: Principal) -> bool:
        """Return whether `principal` is a patient who is deceased: an own token ends with the life."""
        status = self._patients
        if status is None or principal.kind is not Kind.PATIENT or principal.is_proxy:
            return False
        return await self._records.read(lambda c: status.is_deceased(c, principal.patient))

    def _remember(self, digest: bytes, principal: Principal, expires: float) -> None:
        self._known[digest] = _Known(principal, min(expires, self._now() + RECHECK))


def _draw(prefix: str = _PREFIX) -> tuple[str, bytes]:
    token = prefix + secrets.token_urlsafe(32)
    return token, digest_of(token)


def digest_of(token: str) -> bytes:
    """Return the digest that stands for `token` in the database."""
    return hashlib.sha256(
        token.encode(errors="surrogatepass")
    ).digest()  # an unauthenticated sender may send anything


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


@cache
def _decoys() -> Mapping[str, dict[str, str]]:
    # The private halves are dropped here, so nothing can ever verify against these.
    elliptic = ec.generate_private_key(ec.SECP384R1())
    return {
        "ES384": assertions.public_jwk(elliptic),
        "RS384": assertions.public_jwk(rsa.generate_private_key(65537, 2048)),
    }
