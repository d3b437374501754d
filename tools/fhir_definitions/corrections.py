"""Corrections of the definitions package where it departs from FHIR R4 4.0.1.

The package is R4 with its publisher's own extras: elements for its server (`Meta.project`), elements taken
over from R5 (`ResearchStudy.label`) and a few changed ones. A gateway that accepted those would store what
no other R4 system reads. The conformance tests compare the outcome with the StructureDefinitions that HL7
publishes among the R4 examples, element by element, so a new departure in a later package shows there.
"""

from __future__ import annotations

NOT_R4 = frozenset(
    {
        "Binary.url",
        "DeviceDefinition.bodySite",
        "DeviceDefinition.classification",
        "EvidenceVariable.characteristic.definitionByCombination",
        "EvidenceVariable.characteristic.definitionByTypeAndValue",
        "EvidenceVariable.characteristic.timeFromEvent",
        "HealthcareService.offeredIn",
        "Meta.account",
        "Meta.accounts",
        "Meta.author",
        "Meta.compartment",
        "Meta.deleted",
        "Meta.onBehalfOf",
        "Meta.project",
        "ObservationDefinition.publisher",
        "ResearchStudy.associatedParty",
        "ResearchStudy.classifier",
        "ResearchStudy.comparisonGroup",
        "ResearchStudy.descriptionSummary",
        "ResearchStudy.label",
        "ResearchStudy.name",
        "ResearchStudy.objective.description",
        "ResearchStudy.outcomeMeasure",
        "ResearchStudy.progressStatus",
        "ResearchStudy.recruitment",
        "ResearchStudy.region",
        "ResearchStudy.result",
        "ResearchStudy.studyDesign",
        "ResearchStudy.whyStopped",
    }
)
"""Elements that R4 does not have; what is below them goes with them."""

AS_IN_R4 = {
    "AuditEvent.source.observer": (
        "1..1 Reference(Device,Organization,Patient,Practitioner,PractitionerRole,RelatedPerson)"
    ),
    "Bundle.entry.response.outcome": "0..1 Resource",
    "DetectedIssue.status": "1..1 code observation-status",
    "EvidenceVariable.characteristic": "1..* EvidenceVariable.characteristic",
    "MeasureReport.subject": (
        "0..1 Reference(Device,Group,Location,Patient,Practitioner,PractitionerRole,RelatedPerson)"
    ),
    "ResearchStudy.site": "0..* Reference(Location)",
}
"""Single elements as R4 has them: cardinality, types with their targets, and binding."""

TYPES_AS_IN_R4 = {
    "EvidenceVariable.characteristic": """\
id 0..1 string
extension 0..* Extension
modifierExtension 0..* Extension
description 0..1 string
definition[x] 1..1 Reference(Group)|canonical|CodeableConcept|Expression|DataRequirement|TriggerDefinition
usageContext 0..* UsageContext
exclude 0..1 boolean
participantEffective[x] 0..1 dateTime|Period|Duration|Timing
timeFromStart 0..1 Duration
groupMeasure 0..1 code group-measure
"""
}
"""Whole backbone types as R4 has them, where the package rewrote them."""

OTHER_VERSIONS = frozenset({"SubscriptionStatus"})
"""Resource types in the package that belong to a later FHIR version."""
