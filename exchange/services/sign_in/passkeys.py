"""Passkeys of patients (WebAuthn): enrolled with a code of the hospital, used to sign in, removed.

1. Origin and relying party follow from the public address of the gateway, whatever a request says.
2. The authenticator must verify its user (a finger, a face, a PIN): a passkey is two factors.
3. A passkey's row is sealed for this gateway, and a writer of the database alone can't add one. A counter of
   signatures that does not rise is refused.
4. A challenge ends in the transaction of the act that it allows: nothing happens twice.

Source: Web Authentication Level 3, sections 7.1 and 7.2.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import webauthn
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from chaincode.access.model import RecordedAction
from exchange.crypto.operator_seal import OperatorSeal
from exchange.crypto.references import References
from exchange.runtime.fair_queue import FairQueue, peer
from exchange.services.auth.identity_events import IdentityEvents
from exchange.services.auth.tokens import DrawnToken, Tokens
from exchange.services.sign_in.ceremonies import Ceremonies, Ceremony, Step
from exchange.services.sign_in.enrolment_codes import EnrolmentCodes
from exchange.services.sign_in.refusals import SignInRefusal, SignInRefusedError
from exchange.services.sign_in.sessions import Session, Sessions
from exchange.store.engine.database import Database
from exchange.store.records.persons import sign_in as store
from exchange.store.records.persons.sign_in import PasskeyRow

MOST_PASSKEYS: Final = 20
"""Passkeys that one patient may have."""
LONGEST_LABEL: Final = 60
"""Characters of a passkey's name."""

_LONGEST_CREDENTIAL = 1023  # bytes of a credential id, as WebAuthn bounds it
_LONGEST_RESPONSE = 32 * 1024
_TIMEOUT_MS = 240_000
_CODE_PROOF = "a code of the hospital"
_PASSKEY_PROOF = "a passkey"


class _Sealed(msgspec.Struct, frozen=True):
    """The content of a passkey's row: the patient's logical id, the public key (COSE), a name, a time."""

    patient: str
    key: bytes
    label: str
    created: int


class _Answer(msgspec.Struct, frozen=True):
    id: str


@dataclass(frozen=True, slots=True)
class ListedPasskey:
    """A passkey as its patient sees it: `name` is its credential id in hexadecimal; times are in ms."""

    name: str
    label: str
    created: int
    used: int


@dataclass(frozen=True, slots=True)
class Offer:
    """The first step of a ceremony: `options` for the browser (JSON), and `form`, which comes back."""

    options: str
    form: str


class Passkeys:
    """The ceremonies of the gateway at `base_url`, which stands for the hospital `name`."""

    def __init__(
        self,
        *,
        base_url: str,
        name: str,
        records: Database,
        seal: OperatorSeal,
        references: References,
        ceremonies: Ceremonies,
        codes: EnrolmentCodes,
        sessions: Sessions,
        tokens: Tokens,
        events: IdentityEvents,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.origin: Final = base_url
        self._rp_id = urlsplit(base_url).hostname or ""
        self._name = name
        self._records = records
        self._seal = seal
        self._references = references
        self._ceremonies = ceremonies
        self._codes = codes
        self._sessions = sessions
        self._tokens = tokens
        self._events = events
        self._now = clock
        self._checks = FairQueue(at_once=2, waiting=256)

    # -- a new passkey ---------------------------------------------------------

    async def offer_first(self, browser: str, typed: str, label: str) -> Offer:
        """Return the first step towards a passkey named `label` for the patient whose code was `typed`.

        Raises:
            SignInRefusedError: the code does not hold.
        """
        try:
            code = await self._codes.check(typed)
        except SignInRefusedError:
            self._tokens.note_refused_person()
            raise
        ceremony, form = self._ceremonies.begin(
            Step.ENROL,
            browser,
            patient=code.patient,
            label=label[:LONGEST_LABEL],
            selector=code.selector,
            code=code.sealed,
        )
        return Offer(await self._creation(ceremony), form)

    async def offer_another(self, session: Session, browser: str, label: str) -> Offer:
        """Return the first step towards another passkey, named `label`, of a patient who is signed in."""
        ceremony, form = self._ceremonies.begin(
            Step.ADD, browser, patient=session.principal.patient, label=label[:LONGEST_LABEL]
        )
        return Offer(await self._creation(ceremony), form)

    async def _creation(self, ceremony: Ceremony) -> str:
        subject = self._references.subject(ceremony.patient)
        rows = await self._records.read(lambda c: store.passkeys_of(c, subject))
        options = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._name,
            user_id=subject,
            user_name=ceremony.label or self._name,
            user_display_name=ceremony.label or self._name,
            challenge=ceremony.challenge,
            timeout=_TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=row.credential) for row in rows],
        )
        return webauthn.options_to_json(options)

    async def enrol(self, browser: str, form: str, response: str, *, device: str) -> str:
        """Store the passkey of a code's holder, use up the code, and return the token of a new session.

        Raises:
            SignInRefusedError: the response, the form or the code does not hold.
        """
        ceremony = self._ceremonies.opened(Step.ENROL, browser, form)
        row = await self._created(ceremony, response)
        drawn = await self._sessions.drawn(ceremony.patient, proof=_CODE_PROOF)

        def work(connection: Connection) -> None:
            if not store.use_code(connection, ceremony.selector, ceremony.code):
                raise SignInRefusedError(SignInRefusal.CODE_USED)
            self._put(connection, ceremony, row)
            self._sessions.begin(connection, drawn, ceremony.patient, device=device, proof=_CODE_PROOF)

        await self._records.write(work)
        return drawn.token

    async def add(self, session: Session, browser: str, form: str, response: str) -> None:
        """Store another passkey of a patient who is signed in.

        Raises:
            SignInRefusedError: the response or the form does not hold, or is another patient's.
        """
        ceremony = self._ceremonies.opened(Step.ADD, browser, form)
        if ceremony.patient != session.principal.patient:
            raise SignInRefusedError(SignInRefusal.FORM_STALE)
        row = await self._created(ceremony, response)

        def work(connection: Connection) -> None:
            self._put(connection, ceremony, row)
            told = f"passkey added by {session.principal.client_id}"
            self._events.put(connection, RecordedAction.CODE_ISSUED, session.principal, told)

        await self._records.write(work)

    async def _created(self, ceremony: Ceremony, response: str) -> PasskeyRow:
        made = await self._verified(
            response,
            lambda: webauthn.verify_registration_response(
                credential=response,
                expected_challenge=ceremony.challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self.origin,
                require_user_verification=True,
            ),
        )
        if not 1 <= len(made.credential_id) <= _LONGEST_CREDENTIAL:
            raise SignInRefusedError(SignInRefusal.NOT_VERIFIED)
        now = int(self._now() * 1000)
        content = _Sealed(ceremony.patient, made.credential_public_key, ceremony.label, now)
        subject = self._references.subject(ceremony.patient)
        sealed = self._seal.seal_row(_row_name(made.credential_id, subject), msgspec.json.encode(content))
        return PasskeyRow(made.credential_id, subject, sealed, made.sign_count, now)

    def _put(self, connection: Connection, ceremony: Ceremony, row: PasskeyRow) -> None:
        self._ceremonies.use(connection, ceremony)
        if len(store.passkeys_of(connection, row.subject)) >= MOST_PASSKEYS:
            raise SignInRefusedError(SignInRefusal.PASSKEYS_FULL)
        try:
            with connection.begin_nested():
                store.put_passkey(connection, row)
        except IntegrityError:
            raise SignInRefusedError(SignInRefusal.PASSKEY_KNOWN) from None

    # -- a sign-in -------------------------------------------------------------

    def offer_sign_in(self, browser: str) -> Offer:
        """Return the first step of a sign-in: with any passkey of this gateway that the device has."""
        ceremony, form = self._ceremonies.begin(Step.SIGN_IN, browser)
        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=ceremony.challenge,
            timeout=_TIMEOUT_MS,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return Offer(webauthn.options_to_json(options), form)

    async def sign_in(self, browser: str, form: str, response: str, *, device: str) -> str:
        """Return the token of a new session of the patient whose passkey gave `response`.

        Raises:
            SignInRefusedError: the response or the form does not hold, or the passkey is not known here.
        """
        try:
            return await self._sign_in(browser, form, response, device)
        except SignInRefusedError:
            self._tokens.note_refused_person()
            raise

    async def _sign_in(self, browser: str, form: str, response: str, device: str) -> str:
        ceremony = self._ceremonies.opened(Step.SIGN_IN, browser, form)
        credential = _credential_id(response)
        row = await self._records.read(lambda c: store.find_passkey(c, credential))
        if row is None:
            raise SignInRefusedError(SignInRefusal.PASSKEY_UNKNOWN)
        content = self._content(row)
        signed = await self._verified(
            response,
            lambda: webauthn.verify_authentication_response(
                credential=response,
                expected_challenge=ceremony.challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self.origin,
                credential_public_key=content.key,
                credential_current_sign_count=row.signatures,
                require_user_verification=True,
            ),
        )
        proof = f"{_PASSKEY_PROOF}: {content.label}" if content.label else _PASSKEY_PROOF
        drawn = await self._sessions.drawn(content.patient, proof=proof)
        await self._records.write(
            lambda c: self._begin(
                c, ceremony, row, signatures=signed.new_sign_count, drawn=drawn, device=device, proof=proof
            )
        )
        return drawn.token

    def _begin(
        self,
        connection: Connection,
        ceremony: Ceremony,
        row: PasskeyRow,
        *,
        signatures: int,
        drawn: DrawnToken,
        device: str,
        proof: str,
    ) -> None:
        self._ceremonies.use(connection, ceremony)
        now = store.find_passkey(connection, row.credential, lock=True)
        if now is None:  # removed since it was read
            raise SignInRefusedError(SignInRefusal.PASSKEY_UNKNOWN)
        content = self._content(now)
        if now.signatures != row.signatures:  # it signed somewhere else meanwhile
            raise SignInRefusedError(SignInRefusal.NOT_VERIFIED)
        used = int(self._now() * 1000)
        store.note_use(connection, row.credential, signatures=signatures, used=used)
        self._sessions.begin(connection, drawn, content.patient, device=device, proof=proof)

    async def _verified(self, response: str, check: Callable[[], Any]) -> Any:
        if len(response) > _LONGEST_RESPONSE:
            raise SignInRefusedError(SignInRefusal.NOT_VERIFIED)
        async with self._checks.turn(peer.get()):
            try:
                return await asyncio.to_thread(check)
            except Exception:  # noqa: BLE001 - parsers of others get bytes of strangers, and raise anything
                raise SignInRefusedError(SignInRefusal.NOT_VERIFIED) from None

    # -- the passkeys there are ------------------------------------------------

    async def listed(self, session: Session) -> list[ListedPasskey]:
        """Return the passkeys of a patient, the one used last first."""
        subject = self._references.subject(session.principal.patient)
        rows = await self._records.read(lambda c: store.passkeys_of(c, subject))
        return [
            ListedPasskey(row.credential.hex(), content.label, content.created, row.used)
            for row in rows
            for content in [self._content(row)]
        ]

    async def remove(self, session: Session, name: str) -> bool:
        """Remove a passkey of the patient, and return whether it was still there.

        Raises:
            SignInRefusedError: it is the last one; the patient could not sign in any more.
        """
        try:
            credential = bytes.fromhex(name)
        except ValueError:
            return False
        subject = self._references.subject(session.principal.patient)

        def work(connection: Connection) -> bool:
            rows = store.passkeys_of(connection, subject)
            if credential not in {row.credential for row in rows}:
                return False
            if len(rows) == 1:
                raise SignInRefusedError(SignInRefusal.PASSKEY_LAST)
            store.remove_passkey(connection, subject, credential)
            told = f"passkey removed by {session.principal.client_id}"
            self._events.put(connection, RecordedAction.TOKEN_ENDED, session.principal, told)
            return True

        return await self._records.write(work)

    async def replace(self, patient: str, *, by: str) -> int:
        """Remove all passkeys of a patient and end the sign-ins: the hospital does, where a device is lost.

        Returns the number of passkeys that were removed.
        """
        subject = self._references.subject(patient)

        def work(connection: Connection) -> tuple[int, list[str]]:
            removed = store.remove_passkeys(connection, subject)
            ended = self._sessions.end_all(connection, patient, int(self._now() * 1000))
            told = f"{removed} passkeys and {len(ended)} sign-ins of Patient/{patient} ended"
            self._events.put_of_operator(connection, RecordedAction.TOKEN_ENDED, by, told)
            return removed, ended

        removed, ended = await self._records.write(work)
        for name in ended:
            self._tokens.forget(name)
        return removed

    def _content(self, row: PasskeyRow) -> _Sealed:
        opened = self._seal.open_row(_row_name(row.credential, row.subject), row.sealed)
        return msgspec.json.decode(opened, type=_Sealed)


def _row_name(credential: bytes, subject: bytes) -> bytes:
    return b"passkey\0" + subject + credential


def _credential_id(response: str) -> bytes:
    """Return the id of the credential that a browser's response names.

    Raises:
        SignInRefusedError: it names none.
    """
    try:
        named = msgspec.json.decode(response, type=_Answer).id
        found = webauthn.base64url_to_bytes(named)
    except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError):
        raise SignInRefusedError(SignInRefusal.NOT_VERIFIED) from None
    if not 1 <= len(found) <= _LONGEST_CREDENTIAL:
        raise SignInRefusedError(SignInRefusal.NOT_VERIFIED)
    return found
