"""The rules by which writing is allowed, and the one module that makes a `WriteRight`.

1. The custodian's own systems write all types that are stored.
2. A patient's token writes the patient's own consents.
3. No other client writes; the access log is written by the ledger alone.
4. A node's own work has rights of its own, one function each: loading, introducing members, scoring.
"""

from __future__ import annotations

from exchange.auth.principal import Kind, Principal
from exchange.auth.write_right import EVERY_TYPE, WriteRight, take_write_right_issuer
from exchange.errors import ForbiddenError
from exchange.services.records.prepare import LEDGER_ALONE, LOG_TYPE

_issue = take_write_right_issuer()


class WriteRights:
    """The rights of principals at one custodian, which has the MSP id `msp_id`."""

    def __init__(self, *, msp_id: str) -> None:
        self._msp_id = msp_id

    def grant(self, principal: Principal, resource_type: str) -> WriteRight:
        """Return the principal's right to write in a type.

        Raises:
            ForbiddenError: another organisation's client, an officer, or a patient writing other types.
        """
        if resource_type == LOG_TYPE:
            raise ForbiddenError(LEDGER_ALONE)
        if principal.kind is Kind.SYSTEM and principal.organization == self._msp_id:
            return _issue(resource_type, "")
        if principal.kind is Kind.PATIENT and resource_type == "Consent":
            return _issue(resource_type, principal.patient)
        raise ForbiddenError("only the custodian's own clients write here; patients write their consents")


def for_loading() -> WriteRight:
    """Return the right of the bulk load, an operator's command, to write in every type."""
    return _issue(EVERY_TYPE, "")


def for_introducing_members() -> WriteRight:
    """Return the node's right to store the Organization of each member."""
    return _issue("Organization", "")


def for_scoring() -> WriteRight:
    """Return the node's right to store the RiskAssessment of a score that the ledger permitted."""
    return _issue("RiskAssessment", "")
