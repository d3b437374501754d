from __future__ import annotations

from analytics.data.feature_values import NoUsableDataError
from analytics.errors import (
    AnalyticsError,
    EvaluatorTlsError,
    error_class,
)


def test_every_refusal_has_a_code_of_its_own_and_travels_by_it() -> None:
    kinds: list[type[AnalyticsError]] = [AnalyticsError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    own = [kind for kind in kinds if kind.__module__ == "analytics.errors"]
    assert len({kind.code for kind in own}) == len(own)
    stays_home = {AnalyticsError, NoUsableDataError, EvaluatorTlsError}
    for kind in own:
        assert error_class(kind.code) is (AnalyticsError if kind in stays_home else kind)
    assert error_class("from a later release") is AnalyticsError
