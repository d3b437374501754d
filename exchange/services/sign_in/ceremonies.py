"""Ceremonies of WebAuthn between their two steps: a challenge, and what it is for, sealed into the form.

1. Nothing is stored when a ceremony begins, so strangers can't fill the database.
2. The sealed form opens only with the cookie of the browser that asked for it, and for five minutes.
3. A challenge counts once: it is used up in the transaction of what it allows.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import Connection

from exchange.crypto.operator_seal import OperatorSeal
from exchange.errors import DamagedError
from exchange.services.sign_in.refusals import SignInRefusal, SignInRefusedError
from exchange.store.records import clients as store

LIFETIME: Final = 300
"""Seconds that a ceremony may take."""

_NAME = b"ceremony\0"
_USER = "passkey"  # in place of a client; challenges are random, so none is taken
_KEPT = 300
"""Seconds for which a used challenge is remembered beyond its end, where clocks differ."""
_LONGEST = 2_000


class Step(StrEnum):
    """The use of a ceremony."""

    ENROL = "enrol"
    ADD = "add"
    SIGN_IN = "sign-in"


class Ceremony(msgspec.Struct, frozen=True):
    """One challenge; `expires` is in seconds since 1970 UTC.

    `patient` is the logical id of the patient who gets a passkey, and `label` its name; `selector` and
    `code` are those of the code that is used up, empty for a further passkey.
    """

    step: Step
    challenge: bytes
    expires: float
    patient: str = ""
    label: str = ""
    selector: str = ""
    code: bytes = b""


class Ceremonies:
    """Begins ceremonies, and opens them again at their second step."""

    def __init__(self, seal: OperatorSeal, *, clock: Callable[[], float] = time.time) -> None:
        self._seal = seal
        self._now = clock

    def begin(
        self,
        step: Step,
        browser: str,
        *,
        patient: str = "",
        label: str = "",
        selector: str = "",
        code: bytes = b"",
    ) -> tuple[Ceremony, str]:
        """Return a new ceremony, and the text that stands for it in a form of `browser`."""
        ceremony = Ceremony(
            step, secrets.token_bytes(32), self._now() + LIFETIME, patient, label, selector, code
        )
        sealed = self._seal.seal_row(_label(browser), msgspec.json.encode(ceremony))
        return ceremony, base64.urlsafe_b64encode(sealed).decode()

    def opened(self, step: Step, browser: str, text: str) -> Ceremony:
        """Return the ceremony that `text` stands for.

        Raises:
            SignInRefusedError: it is over, or it is of another browser, step or gateway.
        """
        try:
            sealed = base64.urlsafe_b64decode(text[:_LONGEST].encode("ascii"))
            found = msgspec.json.decode(self._seal.open_row(_label(browser), sealed), type=Ceremony)
        except (UnicodeEncodeError, binascii.Error, DamagedError, msgspec.MsgspecError):
            raise SignInRefusedError(SignInRefusal.FORM_STALE) from None
        if found.step is not step or not 0 < found.expires - self._now() <= LIFETIME:
            raise SignInRefusedError(SignInRefusal.FORM_STALE)
        return found

    def use(self, connection: Connection, ceremony: Ceremony) -> None:
        """Use up a challenge.

        Raises:
            SignInRefusedError: it was used before.
        """
        until = int((ceremony.expires + _KEPT) * 1000)
        if not store.use_assertion(connection, _USER, ceremony.challenge.hex(), until):
            raise SignInRefusedError(SignInRefusal.FORM_USED)


def _label(browser: str) -> bytes:
    return _NAME + hashlib.sha256(browser.encode(errors="surrogatepass")).digest()
