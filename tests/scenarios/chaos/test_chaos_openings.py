"""A gateway that fails between the ledger and its database leaves no permission that can't be revoked."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from exchange.errors import UnavailableError
from exchange.store.records import subjects
from tests.support.scenarios.scenario_site import EVERY_LEDGER, LAKE, Site, consent

LEDGERS = EVERY_LEDGER


def _fail(*_: Any) -> NoReturn:
    raise UnavailableError("the process ends here")


def test_a_revocation_reaches_a_pair_whose_opening_was_cut_off(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    granted = site.patient(patient).post("Consent", consent(patient, LAKE)).json()
    with monkeypatch.context() as cut:
        cut.setattr(subjects, "confirm_pairs", _fail)  # the ledger has the pair by then, with its terms
        assert site.lake.get(record).status_code == 503
    revoked = consent(patient, LAKE, status="inactive") | {"id": granted["id"]}
    assert site.patient(patient).put(f"Consent/{granted['id']}", revoked).status_code == 200
    assert site.lake.get(record).status_code == 404


def test_a_consent_whose_filing_was_cut_off_is_filed_with_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    granted = site.patient(patient).post("Consent", consent(patient, LAKE)).json()
    assert site.lake.get(record).status_code == 200
    revoked = consent(patient, LAKE, status="inactive") | {"id": granted["id"]}
    with monkeypatch.context() as cut:
        cut.setattr(subjects, "pairs_of", _fail)
        answer = site.patient(patient).put(f"Consent/{granted['id']}", revoked)
        assert answer.status_code == 503  # not acknowledged: it is stored, and not yet on the ledger
    assert site.patient(patient).put(f"Consent/{granted['id']}", revoked).status_code == 200
    assert site.lake.get(record).status_code == 404
