"""The refusals of a sign-in, for the page to put into words."""

from __future__ import annotations

from enum import StrEnum


class SignInRefusal(StrEnum):
    """The reason why a step of a sign-in was refused; nothing was changed."""

    CODE_UNKNOWN = "code-unknown"
    CODE_EXPIRED = "code-expired"
    CODE_LOCKED = "code-locked"
    CODE_USED = "code-used"
    FORM_STALE = "form-stale"
    FORM_USED = "form-used"
    PASSKEY_UNKNOWN = "passkey-unknown"
    PASSKEY_KNOWN = "passkey-known"
    PASSKEY_LAST = "passkey-last"
    PASSKEYS_FULL = "passkeys-full"
    NOT_VERIFIED = "not-verified"
    PATIENT_OVER = "patient-over"
    SESSION_OVER = "session-over"


class SignInRefusedError(Exception):
    """A step of a sign-in is refused."""

    def __init__(self, refusal: SignInRefusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
