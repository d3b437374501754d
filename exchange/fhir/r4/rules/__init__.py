"""The invariants that are checked, by the type they belong to.

R4 has 205 invariants of severity error; 108 are checked. Here are those of the datatypes, of the clinical,
administrative and financial resources, of Questionnaire, Bundle and Parameters. ele-1, dom-2 to dom-5 and
ref-1 are in the passes and in `exchange.fhir.r4.contained`; sqty-1 is in the table, where SimpleQuantity
has no comparator.

Not checked: what describes software and specifications and not patients (cmd, cpb, csd, eld, ig, inv-1 and
inv-2 of TestReport, md, nsd, opd, sdf, smp, spd, tcp, tst, vsd); ctm-1, which asks for another resource;
mqty-1, which no element uses; and ppc-2 to ppc-5, which name the code system `something`.
"""

from __future__ import annotations

from functools import cache

from exchange.fhir.r4.elements import codings, elements
from exchange.fhir.r4.rules import bundles, clinical, datatypes, workflow
from exchange.fhir.r4.rules.invariant import Invariant, has

RULES: dict[str, tuple[Invariant, ...]] = datatypes.RULES | clinical.RULES | workflow.RULES | bundles.RULES


@cache
def rules_of(type_name: str) -> tuple[Invariant, ...]:
    """Return the invariants of a type, and its required bindings of concepts."""
    return RULES.get(type_name, ()) + tuple(
        _bound(element.name, element.value_set)
        for element in elements(type_name)
        if element.value_set and "CodeableConcept" in element.keys.values()
    )


def _bound(name: str, value_set: str) -> Invariant:
    allowed = codings(value_set)

    def holds(it: object) -> bool:
        concept = getattr(it, name)
        return (
            not has(concept)
            or has(concept.extension)
            or any((coding.system, coding.code) in allowed for coding in concept.coding or ())
        )

    return Invariant("binding", holds, f"a coding from the value set {value_set}", name)
