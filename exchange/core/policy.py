"""The implicit policy that a new consortium starts from: what may be done without asking the patient."""

from __future__ import annotations

from collections.abc import Iterable

from chaincode.consent.model import PURPOSES, Policy, PolicyRule
from exchange.core.compartment import DIRECTORY_TYPES

_CARE = ("ETREAT", "HOPERAT", "HPAYMT", "TREAT")


def founding_policy(members: Iterable[str]) -> Policy:
    """The policy that members found the channel with; a majority of them can change it on the ledger.

    A hospital may use its own records for treatment, payment and operations, and for what the patient
    asks. What by its type names no patient (organisations, practitioners, places, terms) every member may
    read for any purpose. Other records that name no patient may still be about one, in words or by a
    group: they serve the hospital's own care and nothing else (`docs/adr/0017-the-directory.md`).
    """
    return Policy(
        version=1,
        members=tuple(sorted(members)),
        rules=(
            PolicyRule(
                id="own-care",
                relation="custodian",
                subject="patient",
                purposes=_CARE,
            ),
            PolicyRule(id="patient-request", relation="custodian", subject="patient", purposes=("PATRQT",)),
            PolicyRule(id="own-unassigned", relation="custodian", subject="directory", purposes=_CARE),
            PolicyRule(
                id="directory",
                relation="member",
                subject="directory",
                purposes=tuple(sorted(PURPOSES)),
                classes=tuple(sorted(DIRECTORY_TYPES)),
            ),
        ),
    )
