"""The parts of a patient's sign-in at one gateway, put together."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.services.sign_in.enrolment_codes import EnrolmentCodes
from exchange.services.sign_in.passkeys import Passkeys
from exchange.services.sign_in.sessions import Sessions


@dataclass(frozen=True, slots=True)
class PatientDoor:
    """Codes, passkeys and sessions of patients."""

    codes: EnrolmentCodes
    passkeys: Passkeys
    sessions: Sessions
