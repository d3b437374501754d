"""The principals behind the tokens of patients, officers and the operator's commands."""

from __future__ import annotations

from exchange.auth.principal import NO_ASSERTION, Kind, Principal


def test_a_patients_principal_is_bound_to_the_patients_own_records() -> None:
    one = Principal.for_patient("CityMSP", "p-1")
    assert (one.kind, one.organization, one.purpose) == (Kind.PATIENT, "CityMSP", "PATRQT")
    assert (one.patient, one.user) == ("p-1", "Patient/p-1")
    assert one.scopes == ("patient/*.rs", "patient/Consent.cruds")
    assert one.evidence == NO_ASSERTION
    assert one.client_id != Principal.for_patient("CityMSP", "p-1").client_id


def test_an_officers_principal_reads_the_log_and_nothing_else() -> None:
    one = Principal.for_officer("CityMSP", "o.reyes")
    assert (one.kind, one.user, one.patient) == (Kind.OFFICER, "o.reyes", "")
    assert one.scopes == ("user/AuditEvent.rs",)
    assert one.purpose == "HOPERAT"


def test_an_operators_command_is_logged_by_its_name() -> None:
    one = Principal.for_operator("CityMSP", "load")
    assert (one.kind, one.client_id, one.user) == (Kind.SYSTEM, "load", "load")
    assert one.scopes == ("system/*.cruds",)
