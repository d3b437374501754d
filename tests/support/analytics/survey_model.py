"""A model of the survey, built once for all tests that read it."""

from __future__ import annotations

from functools import cache

from analytics.model.training import TrainingSettings
from analytics.model.workbench import BuiltModel, build_model


@cache
def built() -> BuiltModel:
    """Return a model of 40 trees with its card."""
    return build_model("nhanes", TrainingSettings(trees=40))
