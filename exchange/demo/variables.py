"""The survey's variables in LOINC, SNOMED CT and UCUM: the table behind `exchange.demo.nhanes`.

The codes' meanings were checked against LOINC's and SNOMED's published names, and the survey's units are
already those of UCUM, so nothing is converted. Waist circumference has several LOINC codes that differ
in where the tape lies; 56114-2 is the survey's own protocol (the uppermost lateral border of the ilium).
The table has no fasting glucose and no LDL cholesterol: the survey has them, the package does not ship
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"

PAGES = "https://wwwn.cdc.gov/Nchs/Nhanes/2017-2018"
"""The National Center for Health Statistics' pages about the survey's files, one a file."""


@dataclass(frozen=True, slots=True)
class Variable:
    """The source of a value: the column of the table, and the survey's own name and file for it."""

    column: str
    name: str
    file: str

    def coding(self) -> dict[str, Any]:
        """Return the variable as a coding in the system of the page that documents it."""
        return {"system": f"{PAGES}/{self.file}_J.htm", "code": self.name}


@dataclass(frozen=True, slots=True)
class Concept:
    """A code with the name its code system gives it."""

    code: str
    display: str
    system: str = LOINC

    def coding(self) -> dict[str, Any]:
        """Return the concept as a FHIR Coding."""
        return {"system": self.system, "code": self.code, "display": self.display}


@dataclass(frozen=True, slots=True)
class SurveyUnit:
    """A unit as people write it and as UCUM does."""

    text: str
    ucum: str


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of the survey that becomes an Observation of its own.

    `category` is US Core's, `decimals` the survey's precision, `narrower` a second, more specific code.
    `ends` maps a stored value that stands for a bound to (comparator, bound); `unknown` are the stored
    values that mean refused or not known.
    """

    source: Variable
    concept: Concept
    unit: SurveyUnit
    category: str
    decimals: int = 0
    narrower: Concept | None = None
    ends: Mapping[float, tuple[str, float]] = field(default_factory=dict)
    unknown: frozenset[float] = frozenset()


@dataclass(frozen=True, slots=True)
class Told:
    """A condition that a doctor told the participant of.

    `answers` are the (variable, answer) pairs that say so; `age` is the column of the age when told;
    `active` is whether the question is about the present.
    """

    concept: Concept
    answers: tuple[tuple[Variable, str], ...]
    age: str | None = None
    active: bool = False


KG, CM, BMI = SurveyUnit("kg", "kg"), SurveyUnit("cm", "cm"), SurveyUnit("kg/m2", "kg/m2")
PERCENT, HOURS, RATE = SurveyUnit("%", "%"), SurveyUnit("h", "h"), SurveyUnit("beats/minute", "/min")
MG_DL, UG_DL, UG_L = SurveyUnit("mg/dL", "mg/dL"), SurveyUnit("ug/dL", "ug/dL"), SurveyUnit("ug/L", "ug/L")
YEARS, MM_HG, SCORE = SurveyUnit("years", "a"), SurveyUnit("mmHg", "mm[Hg]"), SurveyUnit("{score}", "{score}")
CIGARETTES = SurveyUnit("cigarettes/day", "{cigarettes}/d")

_HEIGHT = Concept("8302-2", "Body height")
_HEART_RATE = Concept("8867-4", "Heart rate")

MEASURES = (
    Measure(
        Variable("WeightKg", "BMXWT", "BMX"),
        Concept("29463-7", "Body weight"),
        KG,
        "vital-signs",
        decimals=1,
    ),
    Measure(
        Variable("StandingHeightCm", "BMXHT", "BMX"),
        _HEIGHT,
        CM,
        "vital-signs",
        decimals=1,
        narrower=Concept("8308-9", "Body height --standing"),
    ),
    Measure(
        Variable("RecumbentLengthCm", "BMXRECUM", "BMX"),
        _HEIGHT,
        CM,
        "vital-signs",
        decimals=1,
        narrower=Concept("8306-3", "Body height --lying"),
    ),
    Measure(
        Variable("BodyMassIndexKgm2", "BMXBMI", "BMX"),
        Concept("39156-5", "Body mass index (BMI) [Ratio]"),
        BMI,
        "vital-signs",
        decimals=1,
    ),
    Measure(Variable("60SecPulse30SecPulse2", "BPXPLS", "BPX"), _HEART_RATE, RATE, "vital-signs"),
    Measure(Variable("60SecHr30SecHr2", "BPXCHR", "BPX"), _HEART_RATE, RATE, "vital-signs"),
    Measure(
        Variable("WaistCircumferenceCm", "BMXWAIST", "BMX"),
        Concept("56114-2", "Waist Circumference by NHANES"),
        CM,
        "exam",
        decimals=1,
    ),
    Measure(
        Variable("TotalPercentFat", "DXDTOPF", "DXX"),
        Concept("41982-0", "Percentage of body fat Measured"),
        PERCENT,
        "exam",
        decimals=1,
    ),
    Measure(
        Variable("TotalCholesterolMgdl", "LBXTC", "TCHOL"),
        Concept("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"),
        MG_DL,
        "laboratory",
    ),
    Measure(
        Variable("DirectHdlcholesterolMgdl", "LBDHDD", "HDL"),
        Concept("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma"),
        MG_DL,
        "laboratory",
    ),
    Measure(
        Variable("Glycohemoglobin", "LBXGH", "GHB"),
        Concept("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),
        PERCENT,
        "laboratory",
        decimals=1,
    ),
    Measure(
        Variable("BloodLeadUgdl", "LBXBPB", "PBCD"),
        Concept("5671-3", "Lead [Mass/volume] in Blood"),
        UG_DL,
        "laboratory",
        decimals=2,
        ends={0.05: ("<", 0.07)},
    ),
    Measure(
        Variable("BloodCadmiumUgl", "LBXBCD", "PBCD"),
        Concept("5609-3", "Cadmium [Mass/volume] in Blood"),
        UG_L,
        "laboratory",
        decimals=2,
        ends={0.07: ("<", 0.1)},
    ),
    Measure(
        Variable("BloodMercuryTotalUgl", "LBXTHG", "PBCD"),
        Concept("5685-3", "Mercury [Mass/volume] in Blood"),
        UG_L,
        "laboratory",
        decimals=2,
        ends={0.2: ("<", 0.28)},
    ),
    Measure(
        Variable("BloodSeleniumUgl", "LBXBSE", "PBCD"),
        Concept("5722-4", "Selenium [Mass/volume] in Blood"),
        UG_L,
        "laboratory",
        decimals=2,
    ),
    Measure(
        Variable("BloodManganeseUgl", "LBXBMN", "PBCD"),
        Concept("5681-2", "Manganese [Mass/volume] in Blood"),
        UG_L,
        "laboratory",
        decimals=2,
    ),
    Measure(
        Variable("AvgCigarettesdayDuringPast30Days", "SMD650", "SMQ"),
        Concept("64218-1", "How many cigarettes do you smoke per day now [PhenX]"),
        CIGARETTES,
        "social-history",
        ends={1: ("<=", 1), 95: (">=", 95)},
        unknown=frozenset({777, 999}),
    ),
    Measure(
        Variable("SleepHoursWeekdaysOrWorkdays", "SLD012", "SLQ"),
        Concept("93832-4", "Sleep duration"),
        HOURS,
        "survey",
        decimals=1,
        ends={2: ("<", 3), 14: (">=", 14)},
    ),
)

BLOOD_PRESSURE = Concept("85354-9", "Blood pressure panel with all children optional")
SYSTOLIC = Concept("8480-6", "Systolic blood pressure")
DIASTOLIC = Concept("8462-4", "Diastolic blood pressure")
READINGS = tuple(
    (
        Variable(f"SystolicBloodPres{reading}RdgMmHg", f"BPXSY{n}", "BPX"),
        Variable(f"DiastolicBloodPres{reading}RdgMmHg", f"BPXDI{n}", "BPX"),
    )
    for n, reading in enumerate(("1St", "2Nd", "3Rd"), start=1)
)
"""Three readings of blood pressure in one sitting, each as (systolic, diastolic)."""

SMOKING = Concept("72166-2", "Tobacco smoking status")
EVER_SMOKED = Variable("SmokedAtLeast100CigarettesInLife", "SMQ020", "SMQ")
NOW_SMOKES = Variable("DoYouNowSmokeCigarettes", "SMQ040", "SMQ")
NEVER_SMOKER = Concept("266919005", "Never smoked tobacco", SNOMED)
SMOKER = {
    "Every day": Concept("449868002", "Smokes tobacco daily", SNOMED),
    "Some days": Concept("428041000124106", "Occasional tobacco smoker", SNOMED),
    "Not at all": Concept("8517006", "Ex-smoker", SNOMED),
}
"""Smoking status of people with 100 cigarettes in their lives, by present smoking."""

PHQ9 = Concept("44249-1", "PHQ-9 quick depression assessment panel [Reported.PHQ]")
PHQ9_TOTAL = Concept("44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]")
PHQ9_ITEMS = tuple(
    (Variable(column, f"DPQ0{n}0", "DPQ"), Concept(code, display))
    for n, (column, code, display) in enumerate(
        (
            ("HaveLittleInterestInDoingThings", "44250-9", "Little interest or pleasure in doing things"),
            ("FeelingDownDepressedOrHopeless", "44255-8", "Feeling down, depressed, or hopeless"),
            ("TroubleSleepingOrSleepingTooMuch", "44259-0", "Trouble sleeping, or sleeping too much"),
            ("FeelingTiredOrHavingLittleEnergy", "44254-1", "Feeling tired or having little energy"),
            ("PoorAppetiteOrOvereating", "44251-7", "Poor appetite or overeating"),
            ("FeelingBadAboutYourself", "44258-2", "Feeling bad about yourself"),
            ("TroubleConcentratingOnThings", "44252-5", "Trouble concentrating on things"),
            ("MovingOrSpeakingSlowlyOrTooFast", "44253-3", "Moving or speaking slowly, or the opposite"),
            ("ThoughtYouWouldBeBetterOffDead", "44260-8", "Thoughts that you would be better off dead"),
        ),
        start=1,
    )
)
PHQ9_ANSWERS = (
    Concept("LA6568-5", "Not at all"),
    Concept("LA6569-3", "Several days"),
    Concept("LA6570-1", "More than half the days"),
    Concept("LA6571-9", "Nearly every day"),
)
"""LOINC's answers, in the order of their scores 0 to 3."""

_DIABETES = Variable("DoctorToldYouHaveDiabetes", "DIQ010", "DIQ")

TOLD = (
    Told(
        Concept("73211009", "Diabetes mellitus", SNOMED),
        ((_DIABETES, "1"),),
        age="AgeWhenFirstToldYouHadDiabetes",
        active=True,
    ),
    Told(
        Concept("714628002", "Prediabetes", SNOMED),
        ((_DIABETES, "Borderline"), (Variable("EverToldYouHavePrediabetes", "DIQ160", "DIQ"), "1.0")),
    ),
    Told(
        Concept("195967001", "Asthma", SNOMED),
        ((Variable("EverBeenToldYouHaveAsthma", "MCQ010", "MCQ"), "1.0"),),
    ),
    Told(
        Concept("3723001", "Arthritis", SNOMED),
        ((Variable("DoctorEverSaidYouHadArthritis", "MCQ160A", "MCQ"), "1.0"),),
    ),
    Told(
        Concept("22298006", "Myocardial infarction", SNOMED),
        ((Variable("EverToldYouHadHeartAttack", "MCQ160E", "MCQ"), "1.0"),),
        age="AgeWhenToldYouHadHeartAttack",
    ),
    Told(
        Concept("230690007", "Stroke", SNOMED),
        ((Variable("EverToldYouHadAStroke", "MCQ160F", "MCQ"), "1.0"),),
        age="AgeWhenToldYouHadAStroke",
    ),
    Told(
        Concept("363346000", "Malignant neoplastic disease", SNOMED),
        ((Variable("EverToldYouHadCancerOrMalignancy", "MCQ220", "MCQ"), "1.0"),),
        age="Age1StCancerMcq230ADiagnosed",
    ),
)

INSULIN = Concept("67866001", "Insulin", SNOMED)
TAKES_INSULIN = Variable("TakingInsulinNow", "DIQ050", "DIQ")
TAKES_PILLS = Variable("TakeDiabeticPillsToLowerBloodSugar", "DIQ070", "DIQ")

NUMBER = Variable("SEQN", "SEQN", "DEMO")
GENDER = Variable("Gender", "RIAGENDR", "DEMO")
AGE = Variable("AgeInYearsAtScreening", "RIDAGEYR", "DEMO")
ORIGIN = Variable("RacehispanicOriginWNhAsian", "RIDRETH3", "DEMO")
MARITAL = Variable("MaritalStatus", "DMDMARTL", "DEMO")
