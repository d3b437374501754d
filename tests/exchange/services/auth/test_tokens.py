"""Access tokens: an honest client gets one, it says who asks, and it ends when it should."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from typing import Any

import pytest

from exchange.auth.oauth import OAuthError
from exchange.auth.principal import Kind, Principal
from exchange.errors import (
    BadRequestError,
    ConflictError,
    DamagedError,
    NotFoundError,
    UnauthenticatedError,
)
from exchange.services.auth.tokens import LIFETIME, RECHECK, Tokens
from exchange.store.engine.database import Database
from exchange.store.records import clients as store
from exchange.store.records.schema import metadata

PATIENT = Principal(
    kind=Kind.PATIENT,
    client_id="pages",
    organization="HospitalAMSP",
    purpose="PATRQT",
    scopes=("patient/*.rs",),
    evidence="0" * 64,
    user="Patient/p1",
    patient="p1",
)


async def token(asking: Any, **changes: Any) -> str:
    issued = await asking.tokens.exchange_assertion(asking.form(asking.sign(**changes)))
    text: str = issued.access_token
    return text


def second_process(asking: Any) -> tuple[Tokens, Database]:
    database = Database(asking.path, metadata, durable=False)
    return asking.service(database), database


async def test_an_assertion_buys_a_token_that_says_who_asks_and_why(asking: Any) -> None:
    assertion = asking.sign(
        subject_id="urn:oid:2.16.840.1.113883.4.6#1234567893",
        subject_name="Dr Ada Okoro",
        subject_role="urn:oid:2.16.840.1.113883.6.101#207R00000X",
    )
    issued = await asking.tokens.exchange_assertion(asking.form(assertion, scope="system/*.rs launch"))
    assert (issued.token_type, issued.expires_in, issued.scope) == ("bearer", LIFETIME, "system/*.rs")
    assert await asking.tokens.resolve(issued.access_token) == Principal(
        kind=Kind.SYSTEM,
        client_id="lab",
        organization="HospitalBMSP",
        purpose="TREAT",
        scopes=("system/*.rs",),
        evidence=hashlib.sha256(assertion.encode()).hexdigest(),
        user="urn:oid:2.16.840.1.113883.4.6#1234567893",
        user_name="Dr Ada Okoro",
        role="http://nucc.org/provider-taxonomy|207R00000X",
    )


async def test_a_system_that_asks_for_itself_is_the_user(asking: Any) -> None:
    who = await asking.tokens.resolve(await token(asking))
    assert (who.user, who.user_name, who.role) == ("lab", "System lab", "")


async def test_an_rsa_key_works_as_well(asking: Any, modular: Any) -> None:
    await asking.register("imaging", modular)
    who = await asking.tokens.resolve(await token(asking, key=modular, client_id="imaging"))
    assert who.client_id == "imaging"


@pytest.mark.parametrize(
    "organization",
    ["HospitalBMSP", "Organization/hospital-b", "https://a.example/fhir/Organization/hospital-b"],
)
async def test_the_organisation_may_be_named_by_msp_id_or_reference(asking: Any, organization: str) -> None:
    who = await asking.tokens.resolve(await token(asking, organization_id=organization))
    assert who.organization == "HospitalBMSP"


async def test_tokens_are_long_random_and_all_different(asking: Any) -> None:
    tokens = {await token(asking) for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(text) >= 43 for text in tokens)


async def test_the_database_never_holds_a_token(asking: Any) -> None:
    text = await token(asking)
    with sqlite3.connect(asking.path) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert text not in dump
    assert text.removeprefix("cst_") not in dump
    assert hashlib.sha256(text.encode()).hexdigest() in dump.lower()


async def test_a_token_ends_after_five_minutes_in_memory_and_on_disk(asking: Any) -> None:
    text = await token(asking)
    asking.clock.now += LIFETIME - 0.01
    assert await asking.tokens.resolve(text)
    asking.clock.now += 0.02
    with pytest.raises(UnauthenticatedError):
        await asking.tokens.resolve(text)
    other, database = second_process(asking)
    with pytest.raises(UnauthenticatedError):
        await other.resolve(text)
    database.close()


async def test_a_token_of_a_clock_that_was_ahead_does_not_outlive_it(asking: Any) -> None:
    year = 365 * 24 * 3600
    asking.clock.now += year
    text = await token(asking)
    assert await asking.tokens.resolve(text)
    asking.clock.now -= year
    with pytest.raises(UnauthenticatedError):
        await asking.tokens.resolve(text)


async def test_a_token_holds_in_every_process_over_one_database(asking: Any) -> None:
    text = await token(asking)
    other, database = second_process(asking)
    assert await other.resolve(text) == await asking.tokens.resolve(text)
    database.close()


@pytest.mark.parametrize(
    "text", ["", "x", "cst_", "cst_" + "A" * 43, "cst_" + "A" * 10_000, "\ud800", "é" * 47]
)
async def test_unknown_tokens_stand_for_nobody(asking: Any, text: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await asking.tokens.resolve(text)


async def test_a_revoked_token_is_refused_at_once(asking: Any) -> None:
    text = await token(asking)
    await asking.tokens.resolve(text)
    await asking.tokens.revoke(text)
    with pytest.raises(UnauthenticatedError):
        await asking.tokens.resolve(text)


async def test_revoking_what_is_not_known_is_no_error(asking: Any) -> None:
    await asking.tokens.revoke("cst_" + "A" * 43)


async def test_a_token_revoked_elsewhere_is_refused_within_the_recheck_time(asking: Any) -> None:
    text = await token(asking)
    await asking.tokens.resolve(text)
    other, database = second_process(asking)
    await other.revoke(text)
    asking.clock.now += RECHECK + 0.01
    with pytest.raises(UnauthenticatedError):
        await asking.tokens.resolve(text)
    database.close()


async def test_a_revocation_during_a_lookup_is_not_undone_by_it(
    asking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = await token(asking)
    reader, database = second_process(asking)
    read = database.read

    async def overtaken(work: Any) -> Any:
        found = await read(work)
        await reader.revoke(text)
        return found

    monkeypatch.setattr(database, "read", overtaken)
    await reader.resolve(text)
    monkeypatch.setattr(database, "read", read)
    with pytest.raises(UnauthenticatedError):
        await reader.resolve(text)
    database.close()


async def test_a_revocation_while_a_token_is_issued_is_not_undone_by_it(
    asking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = asking.database.write

    async def overtaken(work: Any) -> Any:
        await write(work)
        monkeypatch.setattr(asking.database, "write", write)
        await asking.tokens.clients.disable("lab")

    monkeypatch.setattr(asking.database, "write", overtaken)
    text = await token(asking)
    with pytest.raises(UnauthenticatedError):
        await asking.tokens.resolve(text)


async def test_a_disabled_client_loses_its_tokens_and_gets_no_more(asking: Any) -> None:
    text = await token(asking)
    await asking.tokens.resolve(text)
    await asking.tokens.clients.disable("lab")
    with pytest.raises(UnauthenticatedError):
        await asking.tokens.resolve(text)
    with pytest.raises(OAuthError) as refused:
        await token(asking)
    assert refused.value.code == "invalid_client"
    with pytest.raises(NotFoundError):
        await asking.tokens.clients.disable("lab")


async def test_a_client_disabled_while_its_assertion_is_checked_gets_no_token(asking: Any) -> None:
    other, database = second_process(asking)
    checked = asyncio.Event()
    authenticate = asking.tokens._authenticate

    async def slow(*claimed: Any) -> Any:
        client = await authenticate(*claimed)
        checked.set()
        await other.clients.disable("lab")
        return client

    asking.tokens._authenticate = slow
    with pytest.raises(OAuthError) as refused:
        await token(asking)
    assert checked.is_set()
    assert refused.value.code == "invalid_client"
    database.close()


async def test_memory_for_tokens_is_bounded_and_the_least_used_goes_first(asking: Any) -> None:
    small = asking.service(cached=2)
    tokens = [await small.issue_local(PATIENT, 100) for _ in range(3)]
    await small.resolve(tokens[0])
    await small.resolve(tokens[1])
    await small.resolve(tokens[0])
    await small.resolve(tokens[2])
    kept = {hashlib.sha256(tokens[n].encode()).digest() for n in (0, 2)}
    assert set(small._known) == kept
    assert await small.resolve(tokens[1]) == PATIENT


async def test_the_operator_issues_tokens_for_patients_and_officers(asking: Any) -> None:
    text = await asking.tokens.issue_local(PATIENT, 3600)
    assert await asking.tokens.resolve(text) == PATIENT
    asking.clock.now += 3600
    with pytest.raises(UnauthenticatedError):
        await asking.tokens.resolve(text)


@pytest.mark.parametrize("lifetime", [0, -1, 12 * 3600 + 1])
async def test_the_operator_can_not_issue_tokens_without_end(asking: Any, lifetime: int) -> None:
    with pytest.raises(BadRequestError):
        await asking.tokens.issue_local(PATIENT, lifetime)


async def test_a_client_id_is_registered_once_even_after_it_was_disabled(asking: Any, modular: Any) -> None:
    with pytest.raises(ConflictError):
        await asking.register("lab", modular)
    await asking.tokens.clients.disable("lab")
    with pytest.raises(ConflictError):
        await asking.register("lab", modular)
    [lab] = await asking.tokens.clients.registered()
    assert lab.disabled == int(asking.clock.now * 1000)


async def test_expired_rows_are_swept_a_few_at_a_time(asking: Any) -> None:
    for n in range(40):
        expires = int(asking.clock.now * 1000) - n
        await asking.database.write(
            lambda c, n=n, expires=expires: store.use_assertion(c, "gone", str(n), expires)
        )
    swept = await asking.database.write(lambda c: store.sweep(c, int(asking.clock.now * 1000), limit=15))
    assert swept == 15
    assert await asking.database.read(lambda c: store.has_expired(c, int(asking.clock.now * 1000)))
    for _ in range(2):
        await asking.database.write(lambda c: store.sweep(c, int(asking.clock.now * 1000), limit=15))
    assert not await asking.database.read(lambda c: store.has_expired(c, int(asking.clock.now * 1000)))
    left = await asking.database.read(
        lambda c: c.exec_driver_sql("SELECT count(*) FROM used_assertions WHERE client_id='gone'").scalar()
    )
    assert left == 0


def officer(user: str) -> Principal:
    return Principal.for_officer("HospitalAMSP", user)


@pytest.mark.parametrize("whose", ["Patient/p1", "pages", "o.reyes"])
async def test_all_tokens_of_a_person_end_at_once(asking: Any, whose: str) -> None:
    texts = [await asking.tokens.issue_local(PATIENT, 3600, by="root") for _ in range(2)]
    others = [await asking.tokens.issue_local(officer(one), 3600) for one in ("o.reyes", "o.leaver")]
    client = await token(asking)
    holders = {(one.holder.user, one.holder.by) for one in await asking.tokens.held()}
    assert holders == {("Patient/p1", "root"), ("o.reyes", ""), ("o.leaver", "")}
    running, database = second_process(asking)
    for text in (*texts, *others, client):
        await running.resolve(text)
    ended = others[:1] if whose == "o.reyes" else texts
    assert await asking.tokens.end(whose) == len(ended)
    assert await asking.tokens.end(whose) == 0
    asking.clock.now += RECHECK + 0.01
    for text in (*texts, *others, client):
        for service in (running, asking.tokens):
            if text in ended:
                with pytest.raises(UnauthenticatedError):
                    await service.resolve(text)
            else:
                await service.resolve(text)
    database.close()


async def test_all_tokens_of_a_client_end_at_once_and_it_may_ask_for_more(asking: Any) -> None:
    text = await token(asking)
    assert await asking.tokens.end("lab") == 1
    with pytest.raises(UnauthenticatedError):
        await asking.tokens.resolve(text)
    await asking.tokens.resolve(await token(asking))


@pytest.mark.parametrize("change", ["holder = NULL", "holder = x'00'", "client_id = 'x'"])
async def test_a_persons_token_that_could_not_be_ended_is_refused(asking: Any, change: str) -> None:
    text = await asking.tokens.issue_local(PATIENT, 3600)
    await asking.database.write(lambda c: c.exec_driver_sql(f"UPDATE access_tokens SET {change}"))
    with pytest.raises(DamagedError):
        await asking.service().resolve(text)


async def test_the_holder_of_another_token_is_nobody(asking: Any) -> None:
    text = await asking.tokens.issue_local(PATIENT, 3600)
    await asking.tokens.issue_local(officer("o.leaver"), 1800)
    statement = (
        "UPDATE access_tokens SET holder = (SELECT holder FROM access_tokens ORDER BY expires LIMIT 1)"
    )
    await asking.database.write(lambda c: c.exec_driver_sql(statement))
    with pytest.raises(DamagedError):
        await asking.service().resolve(text)
