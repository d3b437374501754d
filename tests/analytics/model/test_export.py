from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from analytics.data.catalogue import DIABETES
from analytics.data.extraction import extract_features
from analytics.data.feature_values import NoUsableDataError
from analytics.encrypted.artefacts import CompiledModel, ModelOffer
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.model import exported, workbench
from tests.support.analytics.survey_model import built


def test_a_model_is_exported_for_each_role_with_pictures(tmp_path: Path) -> None:
    written = workbench.export_model(built(), tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "risk.model",
        "risk.offer",
        "xgboost.json",
        "bins.json",
        "card.json",
        "pictures",
    }
    assert exported.read_model(tmp_path).digest == built().model.digest
    assert exported.read_offer(tmp_path).model == built().model.digest
    pictures = [p for p in written if p.parent.name == "pictures"]
    assert {p.name for p in pictures} == {
        f"{name}.{kind}" for name in ("roc", "calibration", "bins", "importance") for kind in ("svg", "png")
    }
    for picture in pictures:
        start = picture.read_bytes()[:8]
        assert start.startswith(b"<svg") if picture.suffix == ".svg" else start == b"\x89PNG\r\n\x1a\n"


def test_a_patient_in_fhir_is_scored_on_ciphertext_as_xgboost_scores_the_vector() -> None:
    demo = pytest.importorskip("exchange.demo.nhanes", reason="the survey as FHIR is not in this tree")
    offer = ModelOffer.read(built().model.offer.frame.data)
    client, evaluator = BfvClient.create(offer, "precise"), BfvEvaluator()
    evaluator.add_model(built().model.frame.data)
    evaluator.add_keys(client.keys)
    scored = 0
    for person in demo.participants(20):
        try:
            found = extract_features(
                DIABETES, person.patient, person.records, datetime(2018, 12, 31, tzinfo=UTC)
            )
        except NoUsableDataError:
            continue
        vector = found.vector(offer.bins.features)
        query = client.encrypt(vector)
        (score,) = client.open(query, evaluator.score(query.data))
        assert abs(score.margin - built().trained.margins(vector)[0]) <= score.error < 0.002
        scored += 1
    assert scored > 3


def test_a_model_trained_elsewhere_is_compiled_into_the_same_artefacts(tmp_path: Path) -> None:
    model = exported.compile_xgboost(built().trained.xgboost, built().trained.bins, tmp_path)
    assert model.frame.data == built().model.frame.data
    assert CompiledModel.read((tmp_path / "risk.model").read_bytes()).digest == model.digest
