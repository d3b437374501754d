"""Random grants, revocations and accesses agree with a model that fits on one page."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from chaincode.access.model import AccessRequest
from chaincode.consent.calls import Opening
from chaincode.consent.model import Condition, Provision, Terms, ended
from chaincode.errors import ConflictError
from chaincode.policy.model import Policy
from exchange.ledger.client import LedgerClient, SubjectRequest
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.embedded.identity import load_node_key
from exchange.ledger.embedded.verify import verify
from exchange.ledger.errors import RefusedError

A, B = "HospitalAMSP", "HospitalBMSP"
T = TypeVar("T")
SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
PURPOSES = st.sampled_from(["TREAT", "HRESCH", "HPAYMT"])
EFFECTS = st.sampled_from(["permit", "deny"])


class Consents(RuleBasedStateMachine):
    """The model: for each pair its live consents, its epoch, and the outcomes that its log must show."""

    pairs = Bundle("pairs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        EmbeddedLedger.create_key(self.path / "node.pem")
        self.runner = asyncio.Runner()
        self.terms: dict[str, dict[str, Terms]] = {}
        self.epochs: dict[str, int] = {}
        self.log: dict[str, list[tuple[str, str]]] = {}
        self.open()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def open(self) -> None:
        async def opened() -> LedgerClient:
            key = self.path / "node.pem"
            return LedgerClient(EmbeddedLedger.open(self.path / "ledger.db", key=key, msp_id=A))

        self.client = self.run(opened())

    @initialize()
    def found(self) -> None:
        self.run(self.client.found_policy(Policy(version=1, members=(A, B), rules=())))

    @rule(target=pairs)
    def open_pair(self) -> str:
        pair = secrets.token_hex(16)
        assert self.run(self.client.open_pairs([Opening(pair, B, "patient")])) == ("opened",)
        self.terms[pair], self.epochs[pair] = {}, 1
        return pair

    @rule(target=pairs)
    def invent_pair(self) -> str:
        """Make up the name of a pair that is not open; `open_late` may open it."""
        return secrets.token_hex(16)

    @rule(pair=pairs)
    def open_late(self, pair: str) -> None:
        expected = "already-open" if pair in self.terms else "opened"
        assert self.run(self.client.open_pairs([Opening(pair, B, "patient")])) == (expected,)
        self.terms.setdefault(pair, {})
        self.epochs.setdefault(pair, 1)

    @rule(
        pair=pairs,
        consent=st.sampled_from(["1" * 32, "2" * 32]),
        version=st.integers(1, 6),
        effect=EFFECTS,
        purpose=PURPOSES,
        status=st.sampled_from(["active", "active", "inactive"]),
    )
    def file(self, pair: str, consent: str, version: int, effect: Any, purpose: str, status: Any) -> None:
        said = Provision(effect=effect, when=Condition(purposes=(purpose,)))
        terms = Terms(consent, version, status, "patient", Provision("none", exceptions=(said,)))
        held = self.terms.get(pair, {}).get(consent)
        if pair in self.terms and (held is None or held.version < version):
            self.terms[pair][consent] = terms if status == "active" else ended(terms)
            self.epochs[pair] += 1
            assert self.run(self.client.publish_terms([(pair, terms)])).epochs == (self.epochs[pair],)
            return
        with pytest.raises(RefusedError) as refused:
            self.run(self.client.publish_terms([(pair, terms)]))
        assert isinstance(refused.value.reason, ConflictError) == (pair in self.terms)

    def expected(self, pair: str, purpose: str) -> str:
        effects = {
            terms.root.exceptions[0].effect
            for terms in self.terms.get(pair, {}).values()
            if terms.status == "active" and terms.root.exceptions[0].when.purposes == (purpose,)
        }
        return "permit" if effects == {"permit"} else "deny"

    @rule(asked=st.lists(st.tuples(pairs, PURPOSES), min_size=1, max_size=6, unique_by=lambda one: one[0]))
    def authorize(self, asked: list[tuple[str, str]]) -> None:
        asks = [
            SubjectRequest(
                bytes.fromhex(pair),
                AccessRequest(pair, B, purpose, "read", "0a" * 16, secrets.token_hex(32), "0c" * 32),
            )
            for pair, purpose in asked
        ]
        answer = self.run(self.client.authorize(asks))
        permitted = set(answer.permit.obligations) if answer.permit else set()
        for (pair, purpose), entry in zip(asked, answer.entries, strict=True):
            expected = self.expected(pair, purpose)
            assert entry.decision.outcome == expected
            assert (bytes.fromhex(pair) in permitted) == (expected == "permit")
            self.log.setdefault(pair, []).append((purpose, expected))

    @rule()
    def restart(self) -> None:
        self.run(self.client.close())
        self.open()

    @rule(pair=pairs)
    def look_back(self, pair: str) -> None:
        entries = self.run(self.client.pair_log(pair)).entries
        assert [(record.purpose, record.outcome) for record in entries] == self.log.get(pair, [])
        history = self.run(self.client.pair_history(pair)).versions
        assert [one.pair.epoch for one in history] == list(range(self.epochs.get(pair, 0), 0, -1))

    @invariant()
    def state_is_the_model(self) -> None:
        for pair in list(self.terms)[-2:]:
            held = self.run(self.client.read_pair(pair))
            assert held is not None
            assert held.epoch == self.epochs[pair]
            assert {terms.id: terms for terms in held.consents} == self.terms[pair]

    def teardown(self) -> None:
        self.run(self.client.close())
        key = load_node_key(self.path / "node.pem").public_key()
        report = verify(self.path / "ledger.db", key, replay=True)
        assert report.sound, report.finding
        assert report.replayed == report.transactions
        self.runner.close()
        self.folder.cleanup()


TestConsents = Consents.TestCase
TestConsents.settings = settings(
    max_examples=max(1, int(15 * SCALE)),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
