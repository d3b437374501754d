"""SMART Backend Services over HTTP: discovery, the token endpoint, and the bearer token at a route."""

import os
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import Depends, FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from exchange.api.http import errors
from exchange.api.http.limits import RequestLimits
from exchange.api.smart.token import add_routes, authenticate
from exchange.auth.assertions import ASSERTION_TYPE
from exchange.auth.principal import Principal
from exchange.errors import UnavailableError
from exchange.runtime.quota import MemoryQuota
from exchange.services.access.request_rates import RequestRates

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
FORM = {"content-type": "application/x-www-form-urlencoded"}
RATES = RequestRates(per_client=1_000_000, unknown=1_000_000)


@pytest.fixture
async def http(asking: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    add_routes(app, asking.tokens)
    who = authenticate(asking.tokens)

    @app.get("/fhir/whoami")
    async def whoami(principal: Annotated[Principal, Depends(who)]) -> dict[str, str]:
        return {"user": principal.user}

    @app.get("/direct")
    async def direct(request: Request) -> dict[str, str]:
        return {"user": (await who(request)).user}

    errors.install(app)
    app.add_middleware(RequestLimits, quota=MemoryQuota(1 << 30), rates=RATES)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://a.example") as client:
        yield client


async def test_a_client_discovers_asks_and_is_known(http: httpx.AsyncClient, asking: Any) -> None:
    found = (await http.get("/fhir/.well-known/smart-configuration")).json()
    answer = await http.post(found["token_endpoint"], data=dict(asking.form()))
    assert answer.status_code == 200
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    for path in ("/fhir/whoami", "/direct"):
        told = await http.get(path, headers={"Authorization": f"Bearer {body['access_token']}"})
        assert told.json() == {"user": "lab"}


async def test_the_configuration_states_what_is_supported(http: httpx.AsyncClient) -> None:
    answer = await http.get("/fhir/.well-known/smart-configuration")
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["token_endpoint"] == "https://a.example/auth/token"
    assert found["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert sorted(found["token_endpoint_auth_signing_alg_values_supported"]) == ["ES384", "RS384"]
    assert found["grant_types_supported"] == ["client_credentials"]
    assert "client-confidential-asymmetric" in found["capabilities"]


async def test_the_scheme_is_read_in_any_case(http: httpx.AsyncClient, asking: Any) -> None:
    token = (await http.post("/auth/token", data=dict(asking.form()))).json()["access_token"]
    assert (await http.get("/fhir/whoami", headers={"Authorization": f"bEARER {token}"})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Basic bGFiOng=")],
        [("Authorization", "Bearer cst_AAAA")],
        [("Authorization", "Bearer " + "A" * 20_000)],
        [("Authorization", b"Bearer \xff\xfe")],
        [("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
    ],
)
async def test_without_a_good_token_a_route_says_how_to_authenticate(
    http: httpx.AsyncClient, headers: list[tuple[str, str]]
) -> None:
    answer = await http.get("/fhir/whoami", headers=headers)
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="FHIR"')
    assert ("invalid_token" in challenge) == bool(headers)
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.json()["issue"][0]["code"] == "login"


async def test_a_good_token_beside_another_is_refused(http: httpx.AsyncClient, asking: Any) -> None:
    token = (await http.post("/auth/token", data=dict(asking.form()))).json()["access_token"]
    for other in ("Bearer x", f"Bearer {token}"):
        headers = [("Authorization", f"Bearer {token}"), ("Authorization", other)]
        assert (await http.get("/fhir/whoami", headers=headers)).status_code == 401


async def test_a_token_in_the_address_or_a_form_is_not_looked_at(
    http: httpx.AsyncClient, asking: Any
) -> None:
    token = (await http.post("/auth/token", data=dict(asking.form()))).json()["access_token"]
    assert (await http.get(f"/fhir/whoami?access_token={token}")).status_code == 401


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"scope": "openid"}, 400, "invalid_scope"),
        ({"client_assertion": "a.b.c"}, 401, "invalid_client"),
    ],
)
async def test_refusals_are_oauth_errors(
    http: httpx.AsyncClient, asking: Any, change: dict[str, str], status: int, code: str
) -> None:
    answer = await http.post("/auth/token", data=dict(asking.form(**change)))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert answer.json()["error"] == code
    assert answer.json()["error_description"]


async def test_a_replay_is_refused_over_http(http: httpx.AsyncClient, asking: Any) -> None:
    form = dict(asking.form())
    assert (await http.post("/auth/token", data=form)).status_code == 200
    assert (await http.post("/auth/token", data=form)).status_code == 401


async def test_a_client_that_also_authenticates_otherwise_is_refused(
    http: httpx.AsyncClient, asking: Any
) -> None:
    answer = await http.post("/auth/token", data=dict(asking.form()), auth=("lab", "secret"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "media_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""]
)
async def test_other_media_types_are_refused(http: httpx.AsyncClient, asking: Any, media_type: str) -> None:
    answer = await http.post(
        "/auth/token", content=urlencode(asking.form()), headers={"content-type": media_type}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_charset_behind_the_media_type_is_fine(http: httpx.AsyncClient, asking: Any) -> None:
    headers = {"content-type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"}
    answer = await http.post("/auth/token", content=urlencode(asking.form()), headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"grant_type=%FF%FE",
        b"&" * 1000,
        b"a=1&" * 51,
        b"x" * (64 * 1024 + 1),
        b"grant_type=client_credentials&grant_type=client_credentials",
        b"client_assertion=" + b"A" * 60_000,
    ],
)
async def test_broken_forms_are_refused(http: httpx.AsyncClient, content: bytes) -> None:
    answer = await http.post("/auth/token", content=content, headers=FORM)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_good_form_that_is_too_long_is_refused(http: httpx.AsyncClient, asking: Any) -> None:
    answer = await http.post("/auth/token", data=dict(asking.form(x="x" * 64 * 1024)))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_database_that_is_away_is_said_as_an_oauth_error_and_as_an_outcome(
    http: httpx.AsyncClient, asking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise UnavailableError("the document store can't answer now")

    monkeypatch.setattr(asking.database, "read", away)
    answer = await http.post("/auth/token", data=dict(asking.form()))
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    known = await http.get("/fhir/whoami", headers={"Authorization": "Bearer cst_" + "A" * 43})
    assert (known.status_code, known.json()["issue"][0]["code"]) == (503, "transient")
    assert int(known.headers["retry-after"]) > 0


names = st.sampled_from(
    ["grant_type", "scope", "client_assertion_type", "client_assertion", "client_id", "x"]
)
values = st.one_of(
    st.sampled_from(["client_credentials", ASSERTION_TYPE, "system/*.rs", "a.b.c", ""]),
    st.text(max_size=60),
    st.from_regex(r"[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{1,40}", fullmatch=True),
)


async def never_a_server_error(http: httpx.AsyncClient, content: bytes) -> None:
    answer = await http.post("/auth/token", content=content, headers=FORM)
    assert answer.status_code in {400, 401}
    assert set(answer.json()) == {"error", "error_description"}


@settings(
    max_examples=int(60 * SCALE), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=300))
async def test_no_bytes_break_the_token_endpoint(http: httpx.AsyncClient, content: bytes) -> None:
    await never_a_server_error(http, content)


@settings(
    max_examples=int(60 * SCALE), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fields=st.lists(st.tuples(names, values), max_size=8))
async def test_no_form_breaks_the_token_endpoint(
    http: httpx.AsyncClient, fields: list[tuple[str, str]]
) -> None:
    await never_a_server_error(http, urlencode(fields, errors="surrogatepass").encode())


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
claim_names = st.sampled_from(["iss", "sub", "aud", "exp", "jti", "iat", "nbf", "extensions", "x"])
header_names = st.sampled_from(["alg", "kid", "typ", "crit", "x5c", "b64"])


@settings(
    max_examples=int(100 * SCALE), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    header=st.dictionaries(header_names, json_values, max_size=3),
    claims=st.dictionaries(claim_names, json_values, max_size=4),
)
async def test_no_header_and_no_claims_break_the_token_endpoint(
    http: httpx.AsyncClient, asking: Any, forge: Any, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    good_header = {"alg": "ES384", "kid": "k", "typ": "JWT"}
    good_claims = {
        "iss": "lab",
        "sub": "lab",
        "aud": "https://a.example/auth/token",
        "exp": asking.clock.now + 100,
        "jti": "j",
    }
    text = forge(good_header | header, good_claims | claims) + "A" * 128
    await never_a_server_error(http, urlencode(asking.form(text)).encode())


async def test_a_token_is_ended_by_its_holder(http: httpx.AsyncClient, asking: Any) -> None:
    found = (await http.get("/fhir/.well-known/smart-configuration")).json()
    token = (await http.post("/auth/token", data=dict(asking.form()))).json()["access_token"]
    other = (await http.post("/auth/token", data=dict(asking.form()))).json()["access_token"]
    assert found["revocation_endpoint"] == "https://a.example/auth/revoke"
    for text, hint in ((token, "access_token"), (token, ""), ("no token", ""), ("caf\u00e9", "x")):
        answer = await http.post("/auth/revoke", data={"token": text, "token_type_hint": hint})
        assert (answer.status_code, answer.content) == (200, b"")
    for text, status in ((token, 401), (other, 200)):
        told = await http.get("/fhir/whoami", headers={"Authorization": f"Bearer {text}"})
        assert told.status_code == status


@pytest.mark.parametrize("form", [{}, {"token": ""}, {"token": ["a", "b"]}, {"other": "x"}])
async def test_a_request_to_end_no_token_or_several_is_refused(
    http: httpx.AsyncClient, form: dict[str, Any]
) -> None:
    answer = await http.post("/auth/revoke", data=form, headers=FORM)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
