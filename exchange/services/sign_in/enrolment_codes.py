"""Codes that the hospital hands out, each for one passkey of one patient.

1. A code is twelve characters: four find it, eight prove it (40 bits) and are stored as a sealed digest.
2. It holds for hours, counts once, and is void after `MOST_TRIES` wrong ones.
3. A patient has one code at most: a new one replaces it.
4. A wrong code, one that never was and one that is gone are answered alike; that it expired or is void is
   told to the holder of the whole code alone.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from typing import Final

import msgspec
from sqlalchemy import Connection

from chaincode.access.model import RecordedAction
from exchange.auth.principal import Principal
from exchange.crypto.operator_seal import OperatorSeal
from exchange.crypto.references import References
from exchange.services.auth.identity_events import IdentityEvents
from exchange.services.sign_in.refusals import SignInRefusal, SignInRefusedError
from exchange.store.engine.database import Database
from exchange.store.records.persons import sign_in as store
from exchange.store.records.persons.sign_in import CodeRow

MOST_TRIES: Final = 5
"""Wrong tries after which a code is void."""
LONGEST_HOURS: Final = 24 * 14
"""Hours that a code holds at most."""

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # without what looks alike: 0 and O, 1 and I
_SELECTOR, _SECRET = 4, 8
_ALIKE = str.maketrans({"0": "O", "1": "I"})
_CODE = re.compile(rf"[{_ALPHABET}]{{{_SELECTOR + _SECRET}}}")


class _Sealed(msgspec.Struct, frozen=True):
    """The content of a code's row: the patient's logical id, the secret's digest, and the operator."""

    patient: str
    digest: bytes
    by: str


class FoundCode(msgspec.Struct, frozen=True):
    """A code that was typed in rightly; `sealed` tells its row from a later one with the same selector."""

    patient: str
    selector: str
    sealed: bytes


class EnrolmentCodes:
    """Issues and checks the codes of the hospital with the MSP id `msp_id`."""

    def __init__(
        self,
        *,
        msp_id: str,
        records: Database,
        seal: OperatorSeal,
        references: References,
        events: IdentityEvents,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._msp_id = msp_id
        self._records = records
        self._seal = seal
        self._references = references
        self._events = events
        self._now = clock

    async def issue(self, patient: str, hours: int, *, by: str) -> str:
        """Issue a code for a patient that holds `hours`, in place of an earlier one, and return it.

        Raises:
            ValueError: a code holds 1 to `LONGEST_HOURS` hours.
        """
        if not 1 <= hours <= LONGEST_HOURS:
            raise ValueError(f"a code holds 1 to {LONGEST_HOURS} hours")
        expires = int((self._now() + hours * 3600) * 1000)
        subject = self._references.subject(patient)

        def work(connection: Connection) -> str:
            selector = _drawn(_SELECTOR)
            while store.find_code(connection, selector) is not None:
                selector = _drawn(_SELECTOR)
            secret = _drawn(_SECRET)
            sealed = self._seal.seal_row(
                _name(selector, expires),
                msgspec.json.encode(_Sealed(patient, _digest(selector, secret), by)),
            )
            store.put_code(connection, CodeRow(selector, subject, sealed, 0, expires))
            principal = Principal.for_patient(self._msp_id, patient)
            told = f"code for a passkey, for {hours} h, issued by {by or 'the gateway'}"
            self._events.put(connection, RecordedAction.CODE_ISSUED, principal, told)
            return selector + secret

        code = await self._records.write(work)
        return "-".join(code[start : start + 4] for start in range(0, len(code), 4))

    async def check(self, typed: str) -> FoundCode:
        """Return the code that was `typed`, with spaces and hyphens in any place; a wrong one is counted.

        Raises:
            SignInRefusedError: it is wrong, expired or void.
            DamagedError: the stored code was changed.
        """
        text = re.sub(r"[\s\-]", "", typed[:100]).upper().translate(_ALIKE)
        if not _CODE.fullmatch(text):
            raise SignInRefusedError(SignInRefusal.CODE_UNKNOWN)
        found = await self._records.write(lambda c: self._check(c, text[:_SELECTOR], text[_SELECTOR:]))
        if isinstance(found, SignInRefusal):
            raise SignInRefusedError(found)
        return found

    def _check(self, connection: Connection, selector: str, secret: str) -> FoundCode | SignInRefusal:
        row = store.find_code(connection, selector)
        if row is None:
            return SignInRefusal.CODE_UNKNOWN
        content = msgspec.json.decode(
            self._seal.open_row(_name(row.selector, row.expires), row.sealed), type=_Sealed
        )
        if not hmac.compare_digest(content.digest, _digest(selector, secret)):
            store.count_try(connection, selector)
            return SignInRefusal.CODE_UNKNOWN
        if row.tries >= MOST_TRIES:
            return SignInRefusal.CODE_LOCKED
        if row.expires <= self._now() * 1000:
            return SignInRefusal.CODE_EXPIRED
        return FoundCode(content.patient, selector, row.sealed)


def _drawn(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _digest(selector: str, secret: str) -> bytes:
    # Sealed under this gateway's key as well, so no reader of the database can try codes against it.
    return hashlib.sha256(f"consentry/code/1\0{selector}{secret}".encode()).digest()


def _name(selector: str, expires: int) -> bytes:
    return f"code\0{selector}\0{expires}".encode()
