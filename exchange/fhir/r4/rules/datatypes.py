"""Invariants of the datatypes (https://hl7.org/fhir/R4/datatypes.html and its neighbours)."""

from __future__ import annotations

from typing import Any

from exchange.fhir.r4.rules.invariant import Invariant, count, has, is_number, is_text
from exchange.fhir.r4.rules.moments import not_after
from exchange.fhir.r4.rules.narrative import is_basic, is_said

_UCUM = "http://unitsofmeasure.org"


def _measured(it: Any) -> bool:
    return (has(it.code) or not has(it.value)) and (not has(it.system) or it.system == _UCUM)


def _ordered(it: Any) -> bool:
    low, high = it.low and it.low.value, it.high and it.high.value
    if not is_number(low) or not is_number(high):
        return True
    # Different units are not compared, as FHIRPath does not compare them without a conversion.
    same_unit = (it.low.system, it.low.code, it.low.unit) == (it.high.system, it.high.code, it.high.unit)
    return not same_unit or bool(low <= high)


_UNIT_SYSTEM = Invariant(
    "qty-3", lambda it: not has(it.code) or has(it.system), "a code for the unit needs its system"
)
_ONE_OF_PATH = "either a path or a searchParam, not both"

RULES: dict[str, tuple[Invariant, ...]] = {
    "Age": (
        Invariant(
            "age-1",
            lambda it: _measured(it) and (not is_number(it.value) or it.value > 0),
            "a UCUM code of time, and a value above zero",
        ),
        _UNIT_SYSTEM,
    ),
    "Attachment": (
        Invariant("att-1", lambda it: not has(it.data) or has(it.contentType), "data needs a contentType"),
    ),
    "ContactPoint": (
        Invariant("cpt-2", lambda it: not has(it.value) or has(it.system), "a value needs a system"),
    ),
    "Count": (
        Invariant(
            "cnt-3",
            lambda it: (
                _measured(it)
                and (not has(it.code) or it.code == "1")
                and (not is_number(it.value) or type(it.value) is int)
            ),
            "the UCUM code 1, and a whole number",
        ),
        _UNIT_SYSTEM,
    ),
    "DataRequirement.codeFilter": (
        Invariant("drq-1", lambda it: count(it.path, it.searchParam) == 1, _ONE_OF_PATH),
    ),
    "DataRequirement.dateFilter": (
        Invariant("drq-2", lambda it: count(it.path, it.searchParam) == 1, _ONE_OF_PATH),
    ),
    "Distance": (Invariant("dis-1", _measured, "a UCUM code of length"), _UNIT_SYSTEM),
    # drt-1 includes qty-3.
    "Duration": (
        Invariant(
            "drt-1",
            lambda it: not has(it.code) or (it.system == _UCUM and has(it.value)),
            "a code needs the UCUM system and a value",
        ),
    ),
    "Expression": (
        Invariant("exp-1", lambda it: count(it.expression, it.reference) > 0, "an expression or a reference"),
    ),
    "Extension": (
        Invariant(
            "ext-1",
            lambda it: has(it.extension) != has(it.value),
            "either extensions or a value[x], not both",
        ),
    ),
    "Narrative": (
        Invariant(
            "txt-1", lambda it: is_basic(it.div), "an XHTML div of basic formatting, no active content", "div"
        ),
        Invariant("txt-2", lambda it: is_said(it.div), "some content besides white space", "div"),
    ),
    "Period": (
        Invariant(
            "per-1",
            lambda it: not is_text(it.start) or not is_text(it.end) or not_after(it.start, it.end),
            "a start that is not after the end",
        ),
    ),
    "Quantity": (_UNIT_SYSTEM,),
    "Range": (Invariant("rng-2", _ordered, "a low that is not above the high"),),
    "Ratio": (
        Invariant(
            "rat-1",
            lambda it: has(it.numerator) == has(it.denominator) and (has(it.numerator) or has(it.extension)),
            "both numerator and denominator, or neither and an extension",
        ),
    ),
    "SimpleQuantity": (_UNIT_SYSTEM,),
    "Timing.repeat": (
        Invariant(
            "tim-1", lambda it: not has(it.duration) or has(it.durationUnit), "a duration needs its unit"
        ),
        Invariant("tim-2", lambda it: not has(it.period) or has(it.periodUnit), "a period needs its unit"),
        Invariant(
            "tim-4", lambda it: not is_number(it.duration) or it.duration >= 0, "a duration of at least zero"
        ),
        Invariant(
            "tim-5", lambda it: not is_number(it.period) or it.period >= 0, "a period of at least zero"
        ),
        Invariant("tim-6", lambda it: not has(it.periodMax) or has(it.period), "a periodMax needs a period"),
        Invariant(
            "tim-7", lambda it: not has(it.durationMax) or has(it.duration), "a durationMax needs a duration"
        ),
        Invariant("tim-8", lambda it: not has(it.countMax) or has(it.count), "a countMax needs a count"),
        Invariant(
            "tim-9",
            lambda it: not has(it.offset) or (has(it.when) and not {"C", "CM", "CD", "CV"} & {*it.when}),
            "an offset needs a when that is not a meal itself",
        ),
        Invariant(
            "tim-10", lambda it: not has(it.timeOfDay) or not has(it.when), "timeOfDay or when, not both"
        ),
    ),
    "TriggerDefinition": (
        Invariant("trd-1", lambda it: not has(it.data) or not has(it.timing), "timing or data, not both"),
        Invariant("trd-2", lambda it: not has(it.condition) or has(it.data), "a condition needs data"),
        Invariant(
            "trd-3",
            lambda it: (
                (it.type != "named-event" or has(it.name))
                and (it.type != "periodic" or has(it.timing))
                and (not is_text(it.type) or not it.type.startswith("data-") or has(it.data))
            ),
            "a name, timing or data, as its type says",
        ),
    ),
}
