"""The token service against forgers: every trick is refused, in words that tell a stranger nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from chaincode.consent.model import PURPOSES
from exchange.auth import assertions as core
from exchange.auth.assertions import LEEWAY, Assertion, public_jwk, sign_assertion, sign_hook_token
from exchange.auth.clients import Client
from exchange.auth.oauth import OAuthError
from exchange.auth.principal import Kind, Principal
from exchange.crypto.operator_seal import OperatorSeal
from exchange.errors import DamagedError, UnauthenticatedError
from exchange.services.auth.token_request import business_context
from exchange.store.engine.database import Database
from exchange.store.records.schema import metadata
from exchange.verify.clients import check_clients


async def refusal(asking: Any, form: list[tuple[str, str]]) -> OAuthError:
    with pytest.raises(OAuthError) as refused:
        await asking.tokens.exchange_assertion(form)
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", refused.value.description)
    return refused.value


def parts(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    def decode(part: str) -> dict[str, Any]:
        return msgspec.json.decode(
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=dict[str, Any]
        )

    header, claims, _ = text.split(".")
    return decode(header), decode(claims)


def signed(asking: Any, edit: Callable[[dict[str, Any], dict[str, Any]], object]) -> str:
    """Return an assertion of `lab` with header and claims edited before its own key signed them."""
    header, claims = parts(asking.sign())
    edit(header, claims)
    registry = jws.JWSRegistry(algorithms=["ES384"], strict_check_header=False)
    key = ECKey.import_key(asking.key)
    text: str = jws.serialize_compact(header, msgspec.json.encode(claims), key, registry=registry)
    return text


def claim(name: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda _header, claims: claims.__setitem__(name, value)


def without(name: str) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda _header, claims: claims.pop(name)


def head(name: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda header, _claims: header.__setitem__(name, value)


def extension(**changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda _header, claims: claims["extensions"]["hl7-b2b"].update(changes)


async def test_a_replayed_assertion_is_refused(asking: Any) -> None:
    form = asking.form()
    await asking.tokens.exchange_assertion(form)
    assert (await refusal(asking, form)).code == "invalid_client"


async def test_of_many_at_once_with_one_assertion_exactly_one_wins(asking: Any) -> None:
    database = Database(asking.path, metadata, durable=False)
    other = asking.service(database)
    form = asking.form()
    answers = await asyncio.gather(
        *(tokens.exchange_assertion(form) for _ in range(12) for tokens in (asking.tokens, other)),
        return_exceptions=True,
    )
    won = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(won) == 1
    assert all(isinstance(answer, OAuthError) for answer in answers if answer is not won[0])
    database.close()


async def test_one_jti_may_come_from_two_clients(asking: Any, modular: Any) -> None:
    await asking.register("imaging", modular)
    await asking.tokens.exchange_assertion(asking.form(asking.sign(jti="same")))
    await asking.tokens.exchange_assertion(
        asking.form(asking.sign(jti="same", client_id="imaging", key=modular))
    )


async def test_a_jti_is_remembered_as_long_as_any_clock_accepts_the_assertion(asking: Any) -> None:
    form = asking.form()
    await asking.tokens.exchange_assertion(form)
    began = asking.clock.now
    asking.clock.now = began + 300 + LEEWAY + 250  # a process that is far ahead sweeps
    await asking.tokens.exchange_assertion(asking.form())
    asking.clock.now = began + 100  # one that is not may not take the old assertion again
    assert "used" in (await refusal(asking, form)).description


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (claim("aud", "https://a.example/auth/token/"), "aud"),
        (claim("aud", "https://b.example/auth/token"), "aud"),
        (claim("aud", ["https://a.example/auth/token", "https://b.example/auth/token"]), "aud"),
        (claim("aud", []), "aud"),
        (claim("exp", 1_800_000_000 - LEEWAY), "expired"),
        (claim("exp", 0), "expired"),
        (claim("exp", 1_800_000_000 + 301 + LEEWAY), "exp must be"),
        (claim("exp", 1e300), "exp must be"),
        (claim("exp", "1800000100"), "exp"),
        (claim("exp", True), "exp"),
        (claim("exp", None), "exp"),
        (without("exp"), "exp"),
        (claim("nbf", 1_800_000_000 + 60), "nbf"),
        (claim("iat", 1_800_000_000 + 60), "iat"),
        (claim("iat", 1_700_000_000), "iat"),
        (claim("iss", "other"), "iss"),
        (claim("sub", "other"), "iss"),
        (without("sub"), "sub"),
        (claim("jti", ""), "jti"),
        (claim("jti", "a b"), "jti"),
        (claim("jti", "x" * 256), "jti"),
        (claim("jti", 7), "jti"),
        (claim("jti", "\u00e9"), "jti"),
        (without("jti"), "jti"),
        (head("typ", "at+jwt"), "typ"),
        (head("kid", ""), "kid"),
        (head("jku", "https://evil.example/keys"), "jku"),
        (head("x5u", "https://evil.example/chain"), "x5u"),
    ],
)
async def test_a_wrong_claim_is_refused_and_named(asking: Any, edit: Any, told: str) -> None:
    refused = await refusal(asking, asking.form(signed(asking, edit)))
    assert refused.code == "invalid_client"
    assert told in refused.description


async def test_a_key_that_the_assertion_brings_along_is_refused(asking: Any, other_elliptic: Any) -> None:
    header, claims = parts(asking.sign())
    header["jwk"] = public_jwk(other_elliptic)
    registry = jws.JWSRegistry(algorithms=["ES384"], strict_check_header=False)
    key = ECKey.import_key(other_elliptic)
    forged = jws.serialize_compact(header, msgspec.json.encode(claims), key, registry=registry)
    assert (await refusal(asking, asking.form(forged))).code == "invalid_client"


async def test_other_algorithms_are_refused_even_with_registered_keys(asking: Any, modular: Any) -> None:
    await asking.register("imaging", modular)
    held = RSAKey.import_key(modular)
    for algorithm in ("RS256", "RS512", "PS384"):
        header, claims = parts(asking.sign(client_id="imaging", key=modular))
        header["alg"] = algorithm
        forged = jws.serialize_compact(header, msgspec.json.encode(claims), held, algorithms=[algorithm])
        assert "ES384" in (await refusal(asking, asking.form(forged))).description


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
async def test_an_unsigned_assertion_is_refused(asking: Any, forge: Any, algorithm: str) -> None:
    header, claims = parts(asking.sign())
    naked = forge(header | {"alg": algorithm}, claims)
    for text in (naked, naked.rstrip("."), naked + "AAAA"):
        assert (await refusal(asking, asking.form(text))).code == "invalid_client"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "ES384", "RS384"])
async def test_a_public_key_used_as_a_shared_secret_signs_nothing(
    asking: Any, forge: Any, modular: Any, algorithm: str
) -> None:
    await asking.register("imaging", modular)
    public = modular.public_key()
    secrets = [
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        msgspec.json.encode(public_jwk(modular)),
    ]
    header, claims = parts(asking.sign(client_id="imaging", key=modular))
    for secret in secrets:
        text = forge(header | {"alg": algorithm}, claims)
        mac = hmac.new(secret, text[:-1].encode(), hashlib.sha384).digest()
        forged = text + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
        assert (await refusal(asking, asking.form(forged))).code == "invalid_client"


async def test_the_key_of_another_client_does_not_sign_for_this_one(asking: Any, other_elliptic: Any) -> None:
    await asking.register("other", other_elliptic)
    forged = sign_assertion(
        other_elliptic,
        client_id="lab",
        token_url="https://a.example/auth/token",
        organization_id="HospitalBMSP",
        purpose="TREAT",
        now=asking.clock.now,
    )
    assert (await refusal(asking, asking.form(forged))).code == "invalid_client"


async def test_the_kid_selects_among_the_keys_of_the_issuer_only(asking: Any, other_elliptic: Any) -> None:
    await asking.register("other", other_elliptic, kid="shared")
    header, claims = parts(asking.sign())
    forged = jws.serialize_compact(
        header | {"kid": "shared"},
        msgspec.json.encode(claims),
        ECKey.import_key(other_elliptic),
        algorithms=["ES384"],
    )
    assert (await refusal(asking, asking.form(forged))).code == "invalid_client"


async def test_strangers_can_not_tell_which_clients_exist(
    asking: Any, other_elliptic: Any, modular: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = []
    verifies = core.verifies

    def counted(assertion: Any, jwk: Any) -> bool:
        checks.append(jwk["kty"])
        return verifies(assertion, jwk)

    monkeypatch.setattr(core, "verifies", counted)
    await asking.register("gone", other_elliptic)
    await asking.tokens.clients.disable("gone")
    attempts = {
        "unknown client": asking.sign(client_id="nobody"),
        "unknown client, RSA": asking.sign(client_id="nobody", key=modular),
        "unknown key": asking.sign(key=ec.generate_private_key(ec.SECP384R1())),
        "unknown key, RSA": asking.sign(key=rsa.generate_private_key(65537, 2048)),
        "disabled client": asking.sign(client_id="gone", key=other_elliptic),
        "broken signature": asking.sign()[:-8] + "AAAAAAAA",
    }
    answers = {str(await refusal(asking, asking.form(text))) for text in attempts.values()}
    assert len(answers) == 1
    assert checks == ["EC", "RSA", "EC", "RSA", "EC", "EC"]


async def test_a_disabled_client_is_told_nothing_more_than_a_stranger(asking: Any) -> None:
    await asking.tokens.clients.disable("lab")
    refused = await refusal(asking, asking.form(asking.sign(organization_id="HospitalAMSP")))
    stranger = await refusal(asking, asking.form(asking.sign(client_id="nobody")))
    assert str(refused) == str(stranger)


async def test_truncated_and_mangled_assertions_are_refused(asking: Any) -> None:
    text = asking.sign()
    cuts = [text[:length] for length in range(0, len(text), 37)]
    mangled = [
        text + "A",
        text + ".",
        "." + text,
        text.replace(".", ".."),
        text + "=",
        text.replace(".", " "),
    ]
    flipped = [text[:n] + ("A" if text[n] != "A" else "B") + text[n + 1 :] for n in range(0, len(text), 41)]
    for forged in [*cuts, *mangled, *flipped]:
        refused = await refusal(asking, asking.form(forged))
        assert refused.code in {"invalid_client", "invalid_request"}


async def test_huge_and_deeply_nested_assertions_are_refused(asking: Any, forge: Any) -> None:
    def nested(depth: int) -> str:
        deep = base64.urlsafe_b64encode(b'{"a":' + b"[" * depth + b"]" * depth + b"}").decode().rstrip("=")
        good = asking.sign().split(".")
        return ".".join([good[0], deep, good[2]])

    for text in ("A" * 1_000_000, nested(4_000), nested(100_000), asking.sign() + "A" * 100_000):
        assert (await refusal(asking, asking.form(text))).code == "invalid_client"
    _, claims, signature = asking.sign().split(".")
    deep = base64.urlsafe_b64encode(b"[" * 4_000 + b"]" * 4_000).decode().rstrip("=")
    assert (await refusal(asking, asking.form(f"{deep}.{claims}.{signature}"))).code == "invalid_client"


async def test_parts_that_are_not_json_or_not_utf8_are_refused(asking: Any) -> None:
    header, claims, signature = asking.sign().split(".")
    for raw in (b"\xff\xfe", b"", b"null", b"[]", b'"x"', b"{", b'{"alg":"ES384"', b'{"jti":"\\ud800"}'):
        part = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        for text in (f"{part}.{claims}.{signature}", f"{header}.{part}.{signature}"):
            assert (await refusal(asking, asking.form(text))).code == "invalid_client"


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (without("extensions"), "hl7-b2b"),
        (claim("extensions", {}), "hl7-b2b"),
        (claim("extensions", []), "hl7-b2b"),
        (claim("extensions", {"hl7-b2b": "x"}), "hl7-b2b"),
        (extension(version="2"), "version"),
        (extension(version=1), "version"),
        (extension(organization_id="HospitalAMSP"), "organization_id"),
        (extension(organization_id="hospital-b"), "organization_id"),
        (extension(organization_id="https://b.example/fhir/Organization/hospital-b"), "organization_id"),
        (extension(organization_id=""), "organization_id"),
        (extension(purpose_of_use=[]), "exactly one"),
        (extension(purpose_of_use=["TREAT", "HRESCH"]), "exactly one"),
        (extension(purpose_of_use=["TREAT", "TREAT"]), "exactly one"),
        (extension(purpose_of_use="TREAT"), "array"),
        (extension(purpose_of_use=["HMARKT"]), "one of"),
        (extension(purpose_of_use=["treat"]), "one of"),
        (extension(purpose_of_use=["urn:oid:2.16.840.1.113883.5.8"]), "one of"),
        (extension(purpose_of_use=["http://evil.example|TREAT"]), "one of"),
        (extension(subject_role="urn:oid:2.16.840.1.113883.6.101#207R00000X"), "subject_id"),
        (extension(subject_id="u1", subject_role="207R00000X"), "subject_role"),
        (extension(subject_id="u" * 256), "subject_id"),
        (extension(subject_name="a\u0000b"), "subject_name"),
        (extension(subject_id=7), "subject_id"),
    ],
)
async def test_a_wrong_extension_is_refused_and_named(asking: Any, edit: Any, told: str) -> None:
    refused = await refusal(asking, asking.form(signed(asking, edit)))
    assert refused.code == "invalid_grant"
    assert told in refused.description


@pytest.mark.parametrize(
    "spelt",
    [
        "TREAT",
        "urn:oid:2.16.840.1.113883.5.8#TREAT",
        "urn:oid:2.16.840.1.113883.5.8|TREAT",
        "http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT",
        "http://terminology.hl7.org/CodeSystem/v3-ActReason#TREAT",
    ],
)
async def test_a_purpose_may_be_spelt_in_every_usual_form(asking: Any, spelt: str) -> None:
    text = signed(asking, extension(purpose_of_use=[spelt]))
    issued = await asking.tokens.exchange_assertion(asking.form(text))
    assert (await asking.tokens.resolve(issued.access_token)).purpose == "TREAT"


async def test_a_refused_assertion_is_not_used_up(asking: Any) -> None:
    text = asking.sign()
    assert (await refusal(asking, asking.form(text, scope="openid"))).code == "invalid_scope"
    await asking.tokens.exchange_assertion(asking.form(text))


@pytest.mark.parametrize("scope", ["", " ", "openid launch", "patient/*.rs", "system/*.rs?category=x"])
async def test_a_request_without_a_usable_scope_is_refused(asking: Any, scope: str) -> None:
    assert (await refusal(asking, asking.form(scope=scope))).code == "invalid_scope"


async def test_a_client_gets_no_more_than_it_is_registered_for(asking: Any, modular: Any) -> None:
    await asking.register("reader", modular, "system/Observation.rs")
    text = asking.sign(client_id="reader", key=modular)
    issued = await asking.tokens.exchange_assertion(asking.form(text, scope="system/*.cruds"))
    assert issued.scope == "system/Observation.rs"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"client_assertion_type": "jwt"}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
        ({"client_id": "other"}, "invalid_request"),
    ],
)
async def test_a_wrong_field_is_refused_with_its_code(
    asking: Any, changes: dict[str, str], code: str
) -> None:
    assert (await refusal(asking, asking.form(**changes))).code == code


async def test_a_field_sent_twice_is_refused_even_if_both_agree(asking: Any) -> None:
    form = asking.form()
    for field in form:
        assert (await refusal(asking, [*form, field])).code == "invalid_request"
        assert (await refusal(asking, [*form, (field[0], "")])).code == "invalid_request"


async def test_a_crowd_is_told_to_come_back_and_no_queue_grows_without_end(asking: Any) -> None:
    narrow = asking.service(at_once=1, waiting=2)
    answers = await asyncio.gather(
        *(narrow.exchange_assertion(asking.form()) for _ in range(10)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, OAuthError)]
    assert {answer.code for answer in refused} == {"temporarily_unavailable"}
    assert len(refused) == 7
    await narrow.exchange_assertion(asking.form())


async def test_an_organisation_that_left_gets_no_token(asking: Any) -> None:
    fewer = {name: member for name, member in asking.members.items() if name != "HospitalBMSP"}
    tokens = asking.service(members=fewer)
    with pytest.raises(OAuthError) as refused:
        await tokens.exchange_assertion(asking.form())
    assert refused.value.code == "invalid_grant"


CHANGES = {
    "another organisation": "organization = 'HospitalCMSP'",
    "more scopes": "scopes = 'system/*.cruds system/*.read'",
    "another key": "keys = replace(keys, 'ES384', 'RS384')",
    "another purpose": "purpose = 'ETREAT'",
    "enabled again": "disabled = NULL",
    "another id": "client_id = 'lab2'",
    "no mac": "mac = x''",
    "a mac of letters": "mac = 'mac'",
    "keys of another kind": "keys = x'00ff'",
    "no text": "scopes = x'00ff'",
    "a time of letters": "created = 'now'",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_client_that_was_changed_in_the_database_gets_no_token_and_is_named(
    asking: Any, change: str
) -> None:
    if "NULL" in change:
        await asking.tokens.clients.disable("lab")
    assert check_clients(asking.database, asking.seal, lambda *_: None).finding is None
    await asking.database.write(lambda c: c.exec_driver_sql(f"UPDATE clients SET {change}"))
    asking.client_id = "lab2" if "lab2" in change else "lab"
    with pytest.raises(DamagedError):
        await asking.tokens.exchange_assertion(asking.form())
    with pytest.raises(DamagedError):
        await asking.tokens.clients.registered()
    finding = check_clients(asking.database, asking.seal, lambda *_: None).finding
    assert finding is not None
    assert asking.client_id in finding.place or "can't be read" in finding.problem


async def test_a_plain_smart_client_asks_for_the_purpose_that_it_was_registered_with(asking: Any) -> None:
    await asking.register("plain", asking.key, purpose="HOPERAT")
    asking.client_id = "plain"
    issued = await asking.tokens.exchange_assertion(asking.form(signed(asking, without("extensions"))))
    principal = await asking.tokens.resolve(issued.access_token)
    assert (principal.organization, principal.purpose) == ("HospitalBMSP", "HOPERAT")
    assert (principal.user, principal.role) == ("plain", "")
    for half in ({"hl7-b2b": {}}, {"hl7-b2b": None}, [], "x"):
        refused = await refusal(asking, asking.form(signed(asking, claim("extensions", half))))
        assert refused.code == "invalid_grant"


@pytest.mark.parametrize(
    ("registered", "allowed"),
    [
        ("", PURPOSES - {"PATRQT"}),
        ("HPAYMT", {"HPAYMT"}),
        ("HRESCH TREAT HRESCH", {"HRESCH", "TREAT"}),
        ("PATRQT", {"PATRQT"}),
    ],
)
async def test_a_registration_bounds_the_purposes_that_a_client_states(
    asking: Any, registered: str, allowed: set[str]
) -> None:
    await asking.register("bound", asking.key, purpose=registered)
    asking.client_id = "bound"
    for purpose in sorted(allowed):
        await asking.tokens.exchange_assertion(
            asking.form(asking.sign(purpose=purpose, subject_id="Practitioner/er", reason="cardiac arrest"))
        )
    for purpose in sorted(PURPOSES - allowed):
        refused = await refusal(
            asking,
            asking.form(asking.sign(purpose=purpose, subject_id="Practitioner/er", reason="cardiac arrest")),
        )
        assert (refused.code, "registered for" in refused.description) == ("invalid_grant", True)


def test_an_emergency_is_nothing_that_an_assertion_leaves_unsaid() -> None:
    client = Client("plain", "Plain", "LakeMSP", (), (), created=0, purpose="BTG TREAT")
    claimed = Assertion("", "ES384", "k", "plain", "j", expires=0, extensions=None)
    with pytest.raises(OAuthError, match="an emergency needs"):
        business_context(client, claimed)


@pytest.mark.parametrize(
    "user",
    [
        "Patient/ada",
        "patient/ada",
        "RelatedPerson/mum",
        "https://b.example/fhir/Patient/ada",
        "https://elsewhere.example/Patient/ada/_history/1",
        "urn:consentry:msp|Patient/ada",
        "Patient%2Fada",
    ],
)
async def test_only_a_client_that_is_registered_so_speaks_as_a_patient(asking: Any, user: str) -> None:
    refused = await refusal(asking, asking.form(asking.sign(subject_id=user, subject_name="Ada herself")))
    assert (refused.code, "speak for patients" in refused.description) == ("invalid_grant", True)
    await asking.register("portal", asking.key, purpose="PATRQT TREAT")
    asking.client_id = "portal"
    await asking.tokens.exchange_assertion(asking.form(asking.sign(subject_id=user, purpose="PATRQT")))


async def test_a_client_that_is_not_registered_to_treat_calls_no_hook(asking: Any) -> None:
    await asking.register("billing", asking.key, purpose="HPAYMT")
    url = f"{asking.tokens.token_url}/hook"
    for client, allowed in (("lab", True), ("billing", False)):
        text = sign_hook_token(asking.key, client_id=client, url=url, now=asking.clock.now)
        if allowed:
            assert (await asking.tokens.recognise(text, url=url, user="")).purpose == "TREAT"
        else:
            with pytest.raises(UnauthenticatedError, match="not registered to ask for treatment"):
                await asking.tokens.recognise(text, url=url, user="")


@pytest.mark.parametrize(
    ("user", "name", "shown"), [("", "", "System lab"), ("", "Dr X", "System lab"), ("u", "", "")]
)
async def test_the_name_of_a_system_is_not_a_persons(asking: Any, user: str, name: str, shown: str) -> None:
    said = asking.sign(subject_id=user, subject_name=name)
    issued = await asking.tokens.exchange_assertion(asking.form(said))
    principal = await asking.tokens.resolve(issued.access_token)
    assert (principal.user, principal.user_name) == (user or "lab", shown)


async def test_a_token_does_not_live_longer_because_its_row_says_so(asking: Any) -> None:
    issued = await asking.tokens.exchange_assertion(asking.form())
    await asking.database.write(
        lambda c: c.exec_driver_sql("UPDATE access_tokens SET expires = expires + 3600000")
    )
    with pytest.raises(DamagedError):
        await asking.service().resolve(issued.access_token)


@pytest.mark.parametrize("change", ["client_id = 'other'", "principal = 'x'", "expires = 'never'"])
async def test_a_token_whose_row_was_changed_opens_nothing(asking: Any, change: str) -> None:
    issued = await asking.tokens.exchange_assertion(asking.form())
    await asking.database.write(lambda c: c.exec_driver_sql(f"UPDATE access_tokens SET {change}"))
    with pytest.raises(DamagedError):
        await asking.service().resolve(issued.access_token)


async def test_a_token_that_another_gateway_sealed_opens_nothing(asking: Any) -> None:
    forger = asking.service(seal=OperatorSeal(bytes(32)))
    text = await forger.issue_local(
        Principal(
            kind=Kind.OFFICER,
            client_id="forged",
            organization="HospitalBMSP",
            purpose="HOPERAT",
            scopes=("user/AuditEvent.rs",),
            evidence="0" * 64,
            user="x",
        ),
        100,
    )
    with pytest.raises(DamagedError):
        await asking.tokens.resolve(text)
