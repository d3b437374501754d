"""Each request is one line of the log: caller and interaction, and nothing of the content."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from exchange.runtime import logs
from tests.support.scenarios.scenario_site import LAKE, Site, consent


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.log_requests(stream)
    yield stream
    logs.log_requests(None)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_a_line_without_its_address_and_content(site: Site, written: io.StringIO):
    patient = site.new_patient(name=[{"family": "Canaryname"}])
    assert site.city.post("Consent", consent(patient, LAKE)).status_code == 201
    health = f"{site.demo.settings.base_url}/health/live"
    site.http.get(health)  # a turn of the loop later, the lines before it are written
    written.seek(0)
    written.truncate()
    read = site.lake.get(f"Patient/{patient}")
    found = site.lake.get("Patient?name=Canaryname")
    missing = site.lake.get(f"Nothing/{patient}")
    unknown = site.bearer("cst_canary").get(f"Patient/{patient}")
    site.http.get(health)
    told = [line for line in lines(written) if line["interaction"] or line["status"] in {401, 404}]
    assert [(line["interaction"], line["status"]) for line in told] == [
        ("read", 200),
        ("search-type", 200),
        ("", 404),
        ("", 401),
    ]
    for line, answer in zip(told, (read, found, missing, unknown), strict=True):
        assert line["request_id"] == answer.headers["x-request-id"]
        assert line["bytes"] == len(answer.content)
        assert line["method"] == "GET"
        assert line["milliseconds"] > 0
    assert told[0]["organization"] == LAKE.msp_id
    assert told[0]["client_id"]
    text = written.getvalue()
    assert not any(word in text for word in (patient, "Canaryname", "canary", "name=", "Bearer"))
    assert "health" not in text


def test_requests_decisions_and_tokens_are_counted(site: Site):
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    def counted() -> list[float]:
        return [
            value("consentry_requests_total", method="GET", interaction="read", status="404"),
            value("consentry_decisions_total", outcome="deny", reason="pair-not-open"),
        ]

    before = counted()
    assert site.lake.get(f"Patient/{site.new_patient()}").status_code == 404
    assert counted() == [count + 1 for count in before]
    assert value("consentry_tokens_total", outcome="issued") > 0
    assert value("consentry_ledger_height") > 0
