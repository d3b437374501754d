"""Each invariant refuses a resource that only it objects to, on the fast pass and on the exact one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from exchange.errors import InvalidResourceError
from exchange.fhir.r4 import check, diagnosis, structs
from exchange.fhir.r4.rules import RULES

Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
CODE = {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}
OTHER = {"text": "other"}
REF = {"reference": "Patient/1"}
VISIT = {"reference": "Appointment/1"}
PERIOD = {"start": "2020-01-01", "end": "2020-02-01"}


def status(system: str, code: str) -> Json:
    return {"coding": [{"system": TERMINOLOGY + system, "code": code}]}


def observation(**parts: Any) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": CODE} | parts


def valued(key: str) -> Callable[..., Json]:
    """Return an Extension, where any datatype can be put."""
    return lambda **parts: {
        "resourceType": "Basic",
        "code": CODE,
        "extension": [{"url": "http://example.org/e", key: parts}],
    }


def extended(**parts: Any) -> Json:
    return {"resourceType": "Basic", "code": CODE, "extension": [{"url": "http://example.org/e"} | parts]}


def repeat(**parts: Any) -> Json:
    return valued("valueTiming")(repeat=parts)


def item(**parts: Any) -> Json:
    return {"resourceType": "Questionnaire", "status": "draft", "item": [{"linkId": "1"} | parts]}


def allergy(**parts: Any) -> Json:
    return {"resourceType": "AllergyIntolerance", "patient": REF} | parts


def condition(**parts: Any) -> Json:
    return {"resourceType": "Condition", "subject": REF} | parts


def bundle(kind: str, *entries: Json, **parts: Any) -> Json:
    return {"resourceType": "Bundle", "type": kind} | ({"entry": [*entries]} if entries else {}) | parts


def narrative(div: str) -> Json:
    return observation(
        text={"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>'}
    )


def parameter(**parts: Any) -> Json:
    return {"resourceType": "Parameters", "parameter": [{"name": "a"} | parts]}


def of(resource_type: str, **fixed: Any) -> Callable[..., Json]:
    return lambda **parts: {"resourceType": resource_type} | fixed | parts


appointment = of("Appointment", participant=[{"actor": REF, "status": "accepted"}])
audit = of(
    "AuditEvent",
    type={"code": "rest"},
    recorded="2020-01-01T00:00:00Z",
    agent=[{"requestor": True}],
    source={"observer": REF},
)
care_plan = of("CarePlan", status="active", intent="plan", subject=REF)
composition = of("Composition", status="final", type=CODE, date="2020", author=[REF], title="t")
consent = of("Consent", status="active", scope=CODE, category=[CODE])
coverage = of(
    "CoverageEligibilityResponse",
    status="active",
    purpose=["benefits"],
    patient=REF,
    created="2020",
    request={"reference": "CoverageEligibilityRequest/1"},
    outcome="complete",
    insurer={"reference": "Organization/1"},
)
family = of("FamilyMemberHistory", status="completed", patient=REF, relationship=CODE)
goal = of("Goal", lifecycleStatus="active", description=OTHER, subject=REF)
immunization = of("Immunization", status="completed", vaccineCode=CODE, patient=REF, occurrenceString="then")
listed = of("List", status="current")
measure = of("Measure", status="draft")
report = of("MeasureReport", status="complete", measure="http://example.org/m", period=PERIOD)
sequence = of("MolecularSequence", coordinateSystem=0)
dispense = of("MedicationDispense", status="completed", medicationCodeableConcept=CODE)
administration = of(
    "MedicationAdministration",
    status="completed",
    medicationCodeableConcept=CODE,
    subject=REF,
    effectiveDateTime="2020",
)
patient = of("Patient")
organization = of("Organization", name="n")
request_group = of("RequestGroup", status="active", intent="plan")
response = of("QuestionnaireResponse", status="completed")
recommendation = of("ImmunizationRecommendation", patient=REF, date="2020")
risk = of("RiskAssessment", status="final", subject=REF)
service = of("ServiceRequest", status="active", intent="order", subject=REF)
task = of("Task", status="requested", intent="order")
data_requirement = valued("valueDataRequirement")
trigger = valued("valueTriggerDefinition")
percent = {"value": 5, "code": "%", "system": UCUM}
put = {"method": "PUT", "url": "Patient/1"}
doc = {"identifier": {"system": "urn:x", "value": "1"}, "timestamp": "2020-01-01T00:00:00Z"}
first = {"fullUrl": "http://example.org/Composition/1", "resource": composition()}
header = of("MessageHeader", eventUri="urn:e", source={"endpoint": "urn:s"})


CASES: dict[str, tuple[Json, Json]] = {
    "Age age-1": tuple(valued("valueAge")(value=v, code="a", system=UCUM) for v in (5, -5)),
    "Age qty-3": (valued("valueAge")(value=5, code="a", system=UCUM), valued("valueAge")(value=5, code="a")),
    "AllergyIntolerance ait-1": (
        allergy(clinicalStatus=status("allergyintolerance-clinical", "active")),
        allergy(),
    ),
    "AllergyIntolerance ait-2": tuple(
        allergy(verificationStatus=status("allergyintolerance-verification", "entered-in-error")) | more
        for more in ({}, {"clinicalStatus": status("allergyintolerance-clinical", "active")})
    ),
    "Appointment app-2": (
        appointment(status="proposed"),
        appointment(status="proposed", start="2020-01-01T00:00:00Z"),
    ),
    "Appointment app-3": (appointment(status="waitlist"), appointment(status="booked")),
    "Appointment app-4": tuple(
        appointment(status=s, cancelationReason=CODE) for s in ("cancelled", "proposed")
    ),
    "Appointment.participant app-1": tuple(
        appointment(status="proposed", participant=[{"status": "accepted"} | more])
        for more in ({"actor": REF}, {})
    ),
    "AppointmentResponse apr-1": tuple(
        {"resourceType": "AppointmentResponse", "appointment": VISIT, "participantStatus": "accepted"} | more
        for more in ({"actor": REF}, {})
    ),
    "Attachment att-1": (
        valued("valueAttachment")(data="YQ==", contentType="text/plain"),
        valued("valueAttachment")(data="YQ=="),
    ),
    "AuditEvent.entity sev-1": (
        audit(entity=[{"name": "n"}]),
        audit(entity=[{"name": "n", "query": "YQ=="}]),
    ),
    "Bundle bdl-1": (bundle("searchset", total=0), bundle("collection", total=0)),
    "Bundle bdl-2": tuple(
        bundle(kind, {"resource": patient(), "search": {"mode": "match"}})
        for kind in ("searchset", "collection")
    ),
    "Bundle bdl-3": tuple(bundle("transaction", {"resource": patient()} | m) for m in ({"request": put}, {})),
    "Bundle bdl-4": tuple(
        bundle("batch-response", {"resource": patient()} | m) for m in ({"response": {"status": "200"}}, {})
    ),
    "Bundle bdl-7": tuple(
        bundle("collection", *({"fullUrl": url, "resource": patient()} for url in urls))
        for urls in (("urn:a", "urn:b"), ("urn:a", "urn:a"))
    ),
    "Bundle bdl-9": (bundle("document", first, **doc), bundle("document", first, timestamp=doc["timestamp"])),
    "Bundle bdl-10": (
        bundle("document", first, **doc),
        bundle("document", first, identifier=doc["identifier"]),
    ),
    "Bundle bdl-11": (bundle("document", first, **doc), bundle("document", {"resource": patient()}, **doc)),
    "Bundle bdl-12": tuple(bundle("message", {"resource": r}) for r in (header(), patient())),
    "Bundle.entry bdl-5": tuple(
        bundle("collection", {"fullUrl": "urn:a"} | m) for m in ({"resource": patient()}, {})
    ),
    "Bundle.entry bdl-8": tuple(
        bundle("collection", {"fullUrl": f"http://example.org/Patient/1{v}", "resource": patient()})
        for v in ("", "/_history/1")
    ),
    "CarePlan.activity cpl-3": tuple(
        care_plan(activity=[{"reference": VISIT} | more])
        for more in ({}, {"detail": {"status": "completed"}})
    ),
    "Composition.section cmp-1": (
        composition(section=[{"title": "t", "entry": [REF]}]),
        composition(section=[{"title": "t"}]),
    ),
    "Composition.section cmp-2": tuple(
        composition(section=[{"emptyReason": OTHER} | more])
        for more in ({"section": [{"entry": [REF]}]}, {"entry": [REF]})
    ),
    "Condition con-4": tuple(
        condition(abatementString="then", clinicalStatus=status("condition-clinical", code))
        for code in ("resolved", "active")
    ),
    "Condition con-5": tuple(
        condition(verificationStatus=status("condition-ver-status", "entered-in-error")) | more
        for more in ({}, {"clinicalStatus": status("condition-clinical", "active")})
    ),
    "Condition.evidence con-2": (
        condition(evidence=[{"code": [CODE]}]),
        condition(evidence=[{"extension": extended(valueString="x")["extension"]}]),
    ),
    "Condition.stage con-1": (condition(stage=[{"summary": CODE}]), condition(stage=[{"type": CODE}])),
    "Consent ppc-1": (consent(policyRule=CODE), consent()),
    "ContactPoint cpt-2": (
        valued("valueContactPoint")(value="1", system="phone"),
        valued("valueContactPoint")(value="1"),
    ),
    "Count cnt-3": tuple(valued("valueCount")(value=v, code="1", system=UCUM) for v in (5, 5.5)),
    "Count qty-3": (
        valued("valueCount")(value=5, code="1", system=UCUM),
        valued("valueCount")(value=5, code="1"),
    ),
    "CoverageEligibilityResponse.insurance.item ces-1": tuple(
        coverage(insurance=[{"coverage": {"reference": "Coverage/1"}, "item": [{"category": CODE} | more]}])
        for more in ({}, {"productOrService": CODE})
    ),
    "DataRequirement.codeFilter drq-1": tuple(
        data_requirement(type="Patient", codeFilter=[{"path": "a"} | more])
        for more in ({}, {"searchParam": "b"})
    ),
    "DataRequirement.dateFilter drq-2": tuple(
        data_requirement(type="Patient", dateFilter=[{"path": "a"} | more])
        for more in ({}, {"searchParam": "b"})
    ),
    "Distance dis-1": tuple(valued("valueDistance")(value=5, code="m", system=s) for s in (UCUM, "urn:x")),
    "Distance qty-3": (
        valued("valueDistance")(value=5, code="m", system=UCUM),
        valued("valueDistance")(value=5, code="m"),
    ),
    "Duration drt-1": tuple(valued("valueDuration")(value=5, code="s", system=s) for s in (UCUM, "urn:x")),
    "Expression exp-1": tuple(
        valued("valueExpression")(language="text/cql", **more)
        for more in ({"expression": "a"}, {"name": "a"})
    ),
    "Extension ext-1": (
        extended(valueString="a"),
        extended(valueString="a", extension=[{"url": "urn:x", "valueString": "b"}]),
    ),
    "FamilyMemberHistory fhs-1": (family(ageString="9"), family(ageString="9", bornString="1990")),
    "FamilyMemberHistory fhs-2": (family(ageString="9", estimatedAge=True), family(estimatedAge=True)),
    "Goal.target gol-1": tuple(goal(target=[{"detailString": "low"} | m]) for m in ({"measure": CODE}, {})),
    "Group grp-1": tuple(
        {"resourceType": "Group", "type": "person", "actual": actual, "member": [{"entity": REF}]}
        for actual in (True, False)
    ),
    "Immunization.education imm-1": tuple(
        immunization(education=[{"publicationDate": "2020"} | more]) for more in ({"documentType": "d"}, {})
    ),
    "ImmunizationRecommendation.recommendation imr-1": tuple(
        recommendation(recommendation=[{"forecastStatus": CODE} | more])
        for more in ({"targetDisease": CODE}, {})
    ),
    "InsurancePlan ipn-1": (
        {"resourceType": "InsurancePlan", "name": "n"},
        {"resourceType": "InsurancePlan", "status": "draft"},
    ),
    "Linkage lnk-1": tuple(
        {"resourceType": "Linkage", "item": [{"type": "source", "resource": REF}] * n} for n in (2, 1)
    ),
    "List lst-1": tuple(
        listed(mode="working", emptyReason=CODE, **m) for m in ({}, {"entry": [{"item": REF}]})
    ),
    "List lst-2": tuple(
        listed(mode=m, entry=[{"item": REF, "deleted": True}]) for m in ("changes", "working")
    ),
    "List lst-3": tuple(
        listed(mode=m, entry=[{"item": REF, "date": "2020"}]) for m in ("working", "changes")
    ),
    "Measure.group.stratifier mea-1": tuple(
        measure(group=[{"stratifier": [{"code": CODE} | more]}])
        for more in ({}, {"component": [{"criteria": {"language": "text/cql", "expression": "a"}}]})
    ),
    "MeasureReport mrp-1": tuple(
        report(type=t, group=[{"code": CODE}]) for t in ("summary", "data-collection")
    ),
    "MeasureReport.group.stratifier.stratum mrp-2": tuple(
        report(type="summary", group=[{"stratifier": [{"stratum": [{"value": CODE} | more]}]}])
        for more in ({}, {"component": [{"code": CODE, "value": CODE}]})
    ),
    "MedicationAdministration.dosage mad-1": (
        administration(dosage={"dose": {"value": 1}}),
        administration(dosage={"text": "t"}),
    ),
    "MedicationDispense mdd-1": tuple(
        dispense(whenPrepared="2020-02", whenHandedOver=w) for w in ("2020-03", "2020-01")
    ),
    "MolecularSequence msq-3": (sequence(), sequence(coordinateSystem=2)),
    "MolecularSequence.referenceSeq msq-5": tuple(
        sequence(referenceSeq={"windowStart": 1, "windowEnd": 2, "genomeBuild": "38"} | more)
        for more in ({"chromosome": CODE}, {})
    ),
    "MolecularSequence.referenceSeq msq-6": tuple(
        sequence(referenceSeq={"windowStart": 1, "windowEnd": 2} | more)
        for more in ({"referenceSeqId": CODE}, {"referenceSeqId": CODE, "referenceSeqString": "A"})
    ),
    "Narrative txt-1": (narrative("<b>a</b>"), narrative("<script>a</script>")),
    "Narrative txt-2": (narrative("a"), narrative(" <p> </p>")),
    "Observation obs-6": (
        observation(dataAbsentReason=CODE),
        observation(dataAbsentReason=CODE, valueString="a"),
    ),
    "Observation obs-7": tuple(
        observation(valueString="a", component=[{"code": code, "valueString": "b"}]) for code in (OTHER, CODE)
    ),
    "Observation.referenceRange obs-3": (
        observation(referenceRange=[{"text": "t"}]),
        observation(referenceRange=[{"type": CODE}]),
    ),
    "Organization org-1": (organization(), {"resourceType": "Organization", "active": True}),
    "Organization org-2": tuple(organization(address=[{"use": use}]) for use in ("work", "home")),
    "Organization org-3": tuple(organization(telecom=[{"use": use}]) for use in ("work", "home")),
    "Parameters.parameter inv-1": (
        parameter(valueString="a"),
        parameter(valueString="a", resource=patient()),
    ),
    "Patient.contact pat-1": (
        patient(contact=[{"name": {"text": "n"}}]),
        patient(contact=[{"gender": "other"}]),
    ),
    "Period per-1": (
        patient(name=[{"period": PERIOD}]),
        patient(name=[{"period": {"start": "2021", "end": "2020-12"}}]),
    ),
    "Quantity qty-3": (
        observation(valueQuantity=percent),
        observation(valueQuantity={"value": 1, "code": "%"}),
    ),
    "Questionnaire que-2": (
        item(type="group", item=[{"linkId": "2", "type": "string"}]),
        item(type="group", item=[{"linkId": "1", "type": "string"}]),
    ),
    "Questionnaire.item que-1": (
        item(type="group", item=[{"linkId": "2", "type": "string"}]),
        item(type="group"),
    ),
    "Questionnaire.item que-3": tuple(item(type=t, code=CODE["coding"]) for t in ("string", "display")),
    "Questionnaire.item que-4": tuple(
        item(type="choice", answerValueSet="http://example.org/v", **more)
        for more in ({}, {"answerOption": [{"valueString": "a"}]})
    ),
    "Questionnaire.item que-5": tuple(
        item(type=t, answerValueSet="http://example.org/v") for t in ("choice", "boolean")
    ),
    "Questionnaire.item que-6": tuple(item(type=t, required=True) for t in ("string", "display")),
    "Questionnaire.item que-8": tuple(
        item(type=t, initial=[{"valueString": "a"}]) for t in ("string", "display")
    ),
    "Questionnaire.item que-9": tuple(item(type=t, readOnly=True) for t in ("string", "display")),
    "Questionnaire.item que-10": tuple(item(type=t, maxLength=5) for t in ("string", "date")),
    "Questionnaire.item que-11": tuple(
        item(type="choice", answerOption=[{"valueString": "a"}], **more)
        for more in ({}, {"initial": [{"valueString": "a"}]})
    ),
    "Questionnaire.item que-12": tuple(
        item(type="string", enableWhen=[{"question": "1", "operator": "=", "answerInteger": 1}] * 3, **more)
        for more in ({"enableBehavior": "all"}, {})
    ),
    "Questionnaire.item que-13": tuple(
        item(type="string", repeats=r, initial=[{"valueString": "a"}, {"valueString": "b"}])
        for r in (True, False)
    ),
    "Questionnaire.item.enableWhen que-7": tuple(
        item(type="string", enableWhen=[{"question": "1", "operator": "exists"} | answer])
        for answer in ({"answerBoolean": False}, {"answerInteger": 1})
    ),
    "QuestionnaireResponse.item qrs-1": tuple(
        response(item=[{"linkId": "1", "item": [{"linkId": "2"}]} | more])
        for more in ({}, {"answer": [{"valueString": "a"}]})
    ),
    "Range rng-2": tuple(valued("valueRange")(low={"value": 2}, high={"value": high}) for high in (2, 1)),
    "Ratio rat-1": (
        valued("valueRatio")(numerator={"value": 1}, denominator={"value": 2}),
        valued("valueRatio")(numerator={"value": 1}),
    ),
    "RequestGroup.action rqg-1": tuple(
        request_group(action=[{"resource": REF} | more]) for more in ({}, {"action": [{"resource": REF}]})
    ),
    "RiskAssessment.prediction ras-1": tuple(
        risk(prediction=[{"probabilityRange": {"high": high}}]) for high in (percent, {"value": 5})
    ),
    "RiskAssessment.prediction ras-2": tuple(
        risk(prediction=[{"probabilityDecimal": p}]) for p in (99.5, 100.5)
    ),
    "ServiceRequest prr-1": (service(code=CODE, orderDetail=[CODE]), service(orderDetail=[CODE])),
    "SimpleQuantity qty-3": tuple(
        valued("valueRange")(low={"value": 1, "code": "mg"} | more) for more in ({"system": UCUM}, {})
    ),
    "Task inv-1": tuple(
        task(authoredOn="2020-01-01T10:00:00+02:00", lastModified=f"2020-01-01T0{hour}:00:00Z")
        for hour in (8, 7)
    ),
    "Timing.repeat tim-1": (repeat(duration=1, durationUnit="h"), repeat(duration=1)),
    "Timing.repeat tim-2": (repeat(period=1, periodUnit="h"), repeat(period=1)),
    "Timing.repeat tim-4": tuple(repeat(duration=d, durationUnit="h") for d in (0, -1)),
    "Timing.repeat tim-5": tuple(repeat(period=p, periodUnit="h") for p in (0, -1)),
    "Timing.repeat tim-6": (repeat(period=1, periodMax=2, periodUnit="h"), repeat(periodMax=2)),
    "Timing.repeat tim-7": (repeat(duration=1, durationMax=2, durationUnit="h"), repeat(durationMax=2)),
    "Timing.repeat tim-8": (repeat(count=1, countMax=2), repeat(countMax=2)),
    "Timing.repeat tim-9": (repeat(offset=5, when=["ACM"]), repeat(offset=5, when=["CM"])),
    "Timing.repeat tim-10": (repeat(when=["HS"]), repeat(when=["HS"], timeOfDay=["10:00:00"])),
    "TriggerDefinition trd-1": (
        trigger(type="data-added", data=[{"type": "Patient"}]),
        trigger(type="data-added", data=[{"type": "Patient"}], timingDate="2020-01-01"),
    ),
    "TriggerDefinition trd-2": tuple(
        trigger(type="named-event", name="n", condition={"language": "text/cql", "expression": "a"}, **more)
        for more in ({"data": [{"type": "Patient"}]}, {})
    ),
    "TriggerDefinition trd-3": (trigger(type="named-event", name="n"), trigger(type="named-event")),
}


def test_every_rule_has_a_case() -> None:
    assert CASES.keys() == {f"{name} {rule.key}" for name, rules in RULES.items() for rule in rules}


@pytest.mark.parametrize("name", CASES)
def test_a_resource_that_breaks_one_rule_is_refused_for_that_one(name: str) -> None:
    key = name.split()[1]
    good, bad = CASES[name]
    assert check(json.dumps(good).encode()).resource == good
    assert diagnosis.diagnose(good) == []
    with pytest.raises(InvalidResourceError) as caught:
        check(json.dumps(bad).encode())
    assert {problem.message.partition(":")[0] for problem in caught.value.problems} == {key}
    assert all(problem.code == "invariant" for problem in caught.value.problems)
    with pytest.raises(ValueError, match=r".*"):
        structs.conforms(bad, json.dumps(bad, separators=(",", ":")).encode())


def test_a_primitive_with_only_an_extension_counts_as_there() -> None:
    absent = {"extension": [{"url": "http://example.org/why", "valueCode": "unknown"}]}
    organization_without_text = {"resourceType": "Organization", "_name": absent}
    assert check(json.dumps(organization_without_text).encode()).resource_type == "Organization"


@pytest.mark.parametrize(
    ("concept", "accepted"),
    [
        (status("condition-clinical", "active"), True),
        (status("condition-clinical", "vanished"), False),
        (status("condition-ver-status", "active"), False),
        ({"text": "active"}, False),
        ({"extension": [{"url": "http://example.org/why", "valueCode": "unknown"}]}, True),
    ],
)
def test_a_required_binding_of_a_concept_needs_a_coding_of_the_set(concept: Json, accepted: bool) -> None:
    body = json.dumps(condition(clinicalStatus=concept)).encode()
    if accepted:
        check(body)
        return
    with pytest.raises(InvalidResourceError) as caught:
        check(body)
    assert [problem.path for problem in caught.value.problems] == ["Condition.clinicalStatus"]
