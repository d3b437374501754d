"""Rates of requests: a client beyond its own is refused alone, and strangers keep no known client out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from exchange.services.access.request_rates import Rate
from tests.support.scenarios.scenario_site import Site, copied, is_outcome, opened

MOST = 8


@pytest.fixture
def slow(built: Path, tmp_path: Path) -> Iterator[Site]:
    """A node where a client, and an address without a token, has few requests, which nothing refills."""
    demo = copied(built, tmp_path / "node")
    with opened(demo) as (http, node, _):
        site = Site(demo, http, ())
        site.city.get("metadata")
        rates = node.gateway.rates
        rates._clients, rates._unknown = (Rate(MOST, clock=lambda: 0.0) for _ in range(2))
        yield site


def bare(site: Site, method: str, path: str, **headers: str) -> httpx.Response:
    return site.http.request(method, f"{site.base}/{path}", headers=headers)


@pytest.mark.parametrize("path", ["Organization?_count=1", "Patient/none", "Patient/$nothing"])
def test_a_client_beyond_its_rate_is_refused_and_others_are_not(slow: Site, path: str):
    usual = {slow.lake.get(path).status_code for _ in range(MOST)}
    assert len(usual) == 1
    assert 429 not in usual
    for asked in (path, "Observation?_count=1"):
        refused = slow.lake.get(asked)
        assert is_outcome(refused, 429)["issue"][0]["code"] == "throttled"
        assert int(refused.headers["Retry-After"]) > 0
    assert slow.city.get("Organization?_count=1").status_code == 200
    assert bare(slow, "GET", "metadata").status_code == 200


@pytest.mark.parametrize("token", ["", "Bearer junk"])
def test_an_address_without_a_valid_token_is_refused_and_clients_of_it_are_not(slow: Site, token: str):
    headers = {"Authorization": token} if token else {}
    for _ in range(MOST):
        is_outcome(bare(slow, "GET", "Patient/1", **headers), 401)
    for method, path in (("GET", "Patient/1"), ("POST", "Observation/_search"), ("GET", "no/such/address")):
        refused = bare(slow, method, path)
        assert is_outcome(refused, 429)["issue"][0]["code"] == "throttled"
        assert int(refused.headers["Retry-After"]) > 0
    for path in ("metadata", ".well-known/smart-configuration"):
        assert bare(slow, "GET", path).status_code == 200
    assert slow.city.get("Organization?_count=1").status_code == 200
    assert slow.ridge.get("Organization?_count=1").status_code == 200  # it signs in now
