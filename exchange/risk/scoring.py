"""A risk model with an evaluator that sees ciphertext only: this gateway encrypts, asks, and decrypts.

1. The model is pinned: the offer in the node's folder names it, and an answer of another one is refused.
2. The secret key is made when the gateway starts, stays in its memory, and dies with it.
3. Nothing that depends on a decrypted value is sent to the evaluator. An answer that does not open gives one
   bit about the key to a forger who sees the next steps of this gateway. So that key is deleted, and
   bits about different keys don't add up.
4. Beside the patient, a query holds a patient whose score the model's owner has told (`known_answers`). A
   wrong answer to that one means other trees: it is a failure like the others, and no further score is
   asked for until the gateway starts anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx
import structlog

from analytics.data.catalogue import catalogue_for
from analytics.data.extraction import extract_features
from analytics.data.feature_values import FeatureValue, MissingReason, NoUsableDataError
from analytics.data.features import SNOMED, ExtractionRule, Feature, FeatureCatalogue
from analytics.encrypted.artefacts import ModelOffer
from analytics.encrypted.bfv.client import BfvClient
from analytics.errors import AnalyticsError, ArtefactMismatchError
from analytics.evaluator.client import EvaluatorClient
from exchange.errors import Problem, UnavailableError, UnscorableError
from exchange.fhir.code_systems import canonical
from exchange.risk.port import ModelFeature, QualitativeRisk, RiskScore, UnusableAnswerError, UnusedRecord

_OUTCOMES: Mapping[str, dict[str, str]] = {
    "diabetes": {"system": SNOMED, "code": "73211009", "display": "Diabetes mellitus"},
}
"""The outcome that models of a catalogue estimate, by the catalogue's name."""
_WORDS: Mapping[MissingReason, str] = {
    MissingReason.NOT_RECORDED: "not recorded",
    MissingReason.UNIT: "recorded in a unit that is not understood",
    MissingReason.IMPLAUSIBLE: "recorded with a value that is not plausible",
    MissingReason.INEXACT: "recorded as a bound only",
    MissingReason.NO_VALUE: "recorded without a value",
    MissingReason.UNKNOWN_ANSWER: "recorded with an answer that is not understood",
    MissingReason.NOT_FINAL: "recorded and not final",
    MissingReason.NOT_ESTABLISHED: "recorded and not confirmed",
    MissingReason.FUTURE: "recorded for a time to come",
}
_HIGH = 2.0
"""A risk is high from this many times the model's threshold on, and moderate from the threshold on."""

_log = structlog.get_logger()


class ModelError(ValueError):
    """The files of a model can't be used; the message names the remedy."""


class EncryptedModel:
    """A model of `analytics`, scored by the evaluator at the other end of `http`; fits `RiskModel`.

    `http` has the evaluator's base URL, bearer token and timeout; `offer` and `card` are the files that the
    model's owner published; `parameters` names the parameter set; `seconds` bounds one score.
    """

    def __init__(
        self, http: httpx.AsyncClient, *, offer: bytes, card: bytes, parameters: str, seconds: float
    ) -> None:
        try:
            read = ModelOffer.read(offer)
            self._catalogue = catalogue_for(read.bins.features)
            self._client = _client(read, parameters)
        except AnalyticsError as why:
            raise ModelError(f"the model's offer can't be used: {why}") from None
        self._offer, self._parameters, self._seconds = read, parameters, seconds
        self._http, self._evaluator = http, EvaluatorClient(http)
        self._checked, self._distrusted = read.known is None, False
        if read.known is None:
            _log.warning("evaluator.unchecked", model=read.model)
        self.digest: str = read.model
        content = _card(card, read.model)
        self._threshold: float = content["performance"]["threshold"]
        self._prevalence: float = content["data"]["prevalence"]
        self.title: str = content["data"]["title"]
        self.outcome: Mapping[str, Any] = {
            "coding": [_OUTCOMES[self._catalogue.name]],
            "text": content["data"]["outcome"],
        }
        self.searches: Mapping[str, Sequence[tuple[str, str]]] = _searches(self._catalogue)

    def features(
        self, patient: Mapping[str, Any], records: Sequence[Mapping[str, Any]], as_of: datetime
    ) -> tuple[ModelFeature, ...]:
        """See `RiskModel.features`."""
        titles = {feature.name: feature.title for feature in self._catalogue.features}
        try:
            found = extract_features(self._catalogue, patient, records, as_of, canonical_system=canonical)
        except NoUsableDataError as why:
            problems = [
                Problem("", f"{titles[a.feature]} ({a.feature}): {_why(a)}", "required")
                for a in why.feature_values
                if a.missing
            ]
            raise UnscorableError("too little is recorded for a risk score", problems=problems) from None
        by_name = {value.feature: value for value in found.feature_values}
        ordered = [by_name[name] for name in self._offer.bins.features]
        return tuple(
            ModelFeature(
                a.feature,
                titles[a.feature],
                a.value,
                a.unit,
                a.sources,
                _why(a) if a.missing else "",
                tuple(UnusedRecord(one.source, _WORDS[one.reason]) for one in a.set_aside),
            )
            for a in ordered
        )

    async def score(self, features: Sequence[ModelFeature]) -> RiskScore:
        """See `RiskModel.score`."""
        if self._distrusted:
            raise UnavailableError("the evaluator has other trees than the model; see to it, then start anew")
        client, known = self._client, self._offer.known
        table, place, expected = [[f.value for f in features]], 0, None
        if known is not None:
            values, expected = known.one(self._offer.bins, self._parameters)
            place = secrets.randbelow(2)
            table.insert(1 - place, values)
        try:
            async with asyncio.timeout(self._seconds):
                await self._check_programs()
                query, answer = await self._evaluator.ask(client, table)
        except TimeoutError:
            raise UnavailableError("the evaluator did not answer in time; ask again") from None
        except AnalyticsError as why:
            _log.warning("evaluator.refused", code=why.code)
            raise UnavailableError("the evaluator gave no answer; ask again") from None
        digests = {
            "query": hashlib.sha256(query.data).hexdigest(),
            "answer": hashlib.sha256(answer).hexdigest(),
        }
        try:
            integers = await asyncio.to_thread(client.integers, query, answer)
        except AnalyticsError as why:
            await self._replace(client)
            raise UnusableAnswerError(f"the answer can't be used: {why.code}", **digests) from None
        if expected is not None and integers[1 - place] != expected:
            self._distrust("known answer")
            await self._replace(client)
            raise UnusableAnswerError("the answer is of other trees", **digests)
        probability = client.score_of(integers[place]).probability
        if not 0 <= probability <= 1 or math.isnan(probability):
            await self._replace(client)
            raise UnusableAnswerError("no probability", **digests)
        return RiskScore(probability, **digests)

    async def _check_programs(self) -> None:
        """Have the evaluator name its programs, before the first score.

        Raises:
            ArtefactMismatchError: it has loaded others than the owner compiled.
        """
        known = self._offer.known
        if self._checked or known is None:
            return
        stated = (await self._evaluator.programs(self.digest)).get(self._parameters)
        if stated != known.programs[self._parameters]:
            self._distrust("program")
            raise ArtefactMismatchError("the evaluator has loaded another program")
        self._checked = True

    def _distrust(self, kind: str) -> None:
        self._distrusted = True
        _log.error("evaluator.other_trees", model=self.digest, kind=kind)

    async def _replace(self, client: BfvClient) -> None:
        if self._client is client:  # else another request has replaced it
            self._client = await asyncio.to_thread(_client, self._offer, self._parameters)
            _log.error("evaluator.unusable_answer", model=self.digest)

    def qualitative_risk(self, probability: float) -> QualitativeRisk:
        """See `RiskModel.qualitative_risk`. The model's card names the threshold that separates best."""
        code, display = "low", "Low likelihood"
        if probability >= min(_HIGH * self._threshold, (1 + self._threshold) / 2):
            code, display = "high", "High likelihood"
        elif probability >= self._threshold:
            code, display = "moderate", "Moderate likelihood"
        return QualitativeRisk(code, display, round(probability / self._prevalence, 2))

    async def close(self) -> None:
        """See `RiskModel.close`."""
        await self._http.aclose()


def _client(offer: ModelOffer, parameters: str) -> BfvClient:
    """Make a client with a new key, and room for a known patient beside the real one."""
    return BfvClient.create(offer, parameters, patients=1 if offer.known is None else 2)


def _why(value: FeatureValue) -> str:
    return _WORDS[value.reason] if value.reason is not None else "not recorded"


def _searches(catalogue: FeatureCatalogue) -> dict[str, list[tuple[str, str]]]:
    """Return searches for the records of a catalogue's features: measurements by their codes, all conditions.

    Codes stand without their system: a search compares a code system as it is written, and a record may name
    LOINC by its OID. `extract_features` tells systems apart. Conditions are not searched by code, because a
    code of a classification means all codes below it.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    codes = [code.code for feature in catalogue.features for code in feature.codes if _is_measured(feature)]
    if codes:
        found["Observation"] = [("combo-code", ",".join(codes))]  # a pressure may be part of a panel
    if any(feature.rule is ExtractionRule.PRESENT for feature in catalogue.features):
        found["Condition"] = []
    return found


def _is_measured(feature: Feature) -> bool:
    return feature.rule in {ExtractionRule.LATEST, ExtractionRule.ANSWER}


def _card(card: bytes, model: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    try:
        said = json.loads(card)
        named, performance, data = said["model"], said["performance"], said["data"]
        usable = 0 < float(performance["threshold"]) < 1 and 0 < float(data["prevalence"]) < 1
        usable = usable and isinstance(data["title"], str) and isinstance(data["outcome"], str)
    except (ValueError, KeyError, TypeError):
        usable, named = False, ""
    if not usable:
        raise ModelError("the model's card can't be read; take card.json as the model's owner exported it")
    if named != model:
        raise ModelError("the card is another model's than the offer; take both from one export")
    return said
