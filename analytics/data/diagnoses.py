"""Diagnoses that count for a feature, by every code that means one of its kind.

Codes of the ICD stand for all codes below them: I21 for I21.4 and for I21.A1, with or without the point, in
every national edition that keeps the chapter. SNOMED CT tells by its relations which concepts are below
another, and no release of it is part of this package: its kinds are listed one by one, and one that is not
listed does not count.
"""

from __future__ import annotations

from typing import Final

from analytics.data.features import ICD9, ICD10, SNOMED, FeatureCode


def _below(system: str, *codes: str) -> tuple[FeatureCode, ...]:
    return tuple(FeatureCode(system, code, below=True) for code in codes)


def _snomed(*codes: str) -> tuple[FeatureCode, ...]:
    return tuple(FeatureCode(SNOMED, code) for code in codes)


MYOCARDIAL_INFARCTION: Final = (
    *_snomed(
        "22298006",  # myocardial infarction
        "399211009",  # history of it
        "1755008",  # old
        "57054005",  # acute
        "401303003",  # acute, with ST elevation
        "401314000",  # acute, without ST elevation
        "304914007",  # acute Q wave
        "307140009",  # acute non-Q wave
        "70422006",  # acute subendocardial
        "54329005",  # acute, anterior wall
        "52035003",  # acute anteroapical
        "62695002",  # acute anteroseptal
        "70211005",  # acute anterolateral
        "73795002",  # acute, inferior wall
        "65547006",  # acute inferolateral
        "76593002",  # acute inferoposterior
        "15990001",  # acute posterolateral
        "58612006",  # acute, lateral wall
        "79009004",  # acute, septum
        "10273003",  # acute, papillary muscle
        "129574000",  # postoperative
    ),
    *_below(ICD10, "I21", "I22", "I25.2"),
    *_below(ICD9, "410", "412"),
)
"""Myocardial infarction, past or present."""

STROKE: Final = (
    *_snomed(
        "230690007",  # cerebrovascular accident
        "275526006",  # history of it
        "422504002",  # ischaemic stroke
        "432504007",  # cerebral infarction
        "230706003",  # haemorrhagic cerebral infarction
        "230698000",  # lacunar infarction
        "95457000",  # infarction of the brain stem
        "95460007",  # infarction of the cerebellum
        "371040005",  # thrombotic stroke
        "371041009",  # embolic stroke
        "195189003",  # infarction by thrombosis of cerebral arteries
        "195190007",  # infarction by embolism of cerebral arteries
        "274100004",  # cerebral haemorrhage
        "21454007",  # subarachnoid haemorrhage
        "116288000",  # paralytic stroke
        "111297002",  # nonparalytic stroke
        "25133001",  # completed stroke
        "57981008",  # progressing stroke
    ),
    *_below(ICD10, "I60", "I61", "I63", "I64", "I69.0", "I69.1", "I69.3", "I69.4"),
    *_below(ICD9, "430", "431", "434.01", "434.11", "434.91", "436"),
)
"""Stroke by infarction or bleeding, past or present, with its sequelae; no transient attack."""
