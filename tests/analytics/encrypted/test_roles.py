"""Model owner, evaluator and client in processes of their own, with nothing but artefacts between them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics.encrypted.artefacts import CompiledModel
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.bfv.server import BfvEvaluator
from analytics.errors import ArtefactMismatchError

EVALUATOR = """
import sys
from pathlib import Path
from analytics.encrypted.bfv.server import BfvEvaluator
here = Path(sys.argv[1])
evaluator = BfvEvaluator()
evaluator.add_model((here / "risk.model").read_bytes())
evaluator.add_keys((here / "hospital.keys").read_bytes())
(here / "answer").write_bytes(evaluator.score((here / "query").read_bytes()))
"""

CLIENT_ASKS = """
import sys
from pathlib import Path
import numpy as np
from analytics.encrypted.artefacts import ModelOffer
from analytics.encrypted.bfv.client import BfvClient
here = Path(sys.argv[1])
client = BfvClient.create(ModelOffer.read((here / "risk.offer").read_bytes()), "private")
(here / "secret").write_bytes(client.secret())
(here / "hospital.keys").write_bytes(client.keys)
(here / "query").write_bytes(client.encrypt(np.load(here / "patient.npy")).data)
"""

CLIENT_READS = """
import sys
from pathlib import Path
from analytics.encrypted.artefacts import ModelOffer
from analytics.encrypted.bfv.client import BfvClient
from analytics.encrypted.artefacts import EncryptedQuery
from analytics.encrypted.framing import ArtefactKind, unframe
here = Path(sys.argv[1])
offer = ModelOffer.read((here / "risk.offer").read_bytes())
client = BfvClient.restore(offer, (here / "secret").read_bytes(), (here / "hospital.keys").read_bytes())
query = unframe((here / "query").read_bytes(), ArtefactKind.QUERY, sections=(1,))
score, = client.open(EncryptedQuery(query.data, query.digest, 1), (here / "answer").read_bytes())
print(score.margin, score.error)
"""


def in_own_process(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout


def test_the_roles_need_only_what_is_handed_to_them(
    tmp_path: Path, model3: CompiledModel, depth3: Any
) -> None:
    owner, evaluator, hospital = (tmp_path / name for name in ("owner", "evaluator", "hospital"))
    for folder in (owner, evaluator, hospital):
        folder.mkdir()
    (evaluator / "risk.model").write_bytes(model3.frame.data)
    (hospital / "risk.offer").write_bytes(model3.offer.frame.data)
    np.save(hospital / "patient.npy", depth3.table[:1])
    in_own_process(CLIENT_ASKS, hospital)
    for name in ("hospital.keys", "query"):
        (evaluator / name).write_bytes((hospital / name).read_bytes())
    in_own_process(EVALUATOR, evaluator)
    (hospital / "answer").write_bytes((evaluator / "answer").read_bytes())
    margin, error = map(float, in_own_process(CLIENT_READS, hospital).split())
    assert abs(margin - depth3.reference(1)[0]) <= error
    # The trees are nowhere at the hospital, and nothing at the evaluator decrypts or names a value.
    assert {p.name for p in evaluator.iterdir()} == {"risk.model", "hospital.keys", "query", "answer"}
    leaf = model3.programs["private"].weights.astype("<u4").tobytes()[:64]
    assert all(leaf not in path.read_bytes() for path in hospital.iterdir())


def test_the_secret_is_refused_where_models_keys_and_queries_go(model3: CompiledModel) -> None:
    client, evaluator = BfvClient.create(model3.offer), BfvEvaluator()
    for door in (evaluator.add_model, evaluator.add_keys, evaluator.score):
        with pytest.raises(ArtefactMismatchError, match="SECRET"):
            door(client.secret())
