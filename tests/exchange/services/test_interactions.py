"""The table of interactions: scopes, refusals by name, and everything that follows from its rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exchange.auth.principal import Kind, Principal
from exchange.errors import BadRequestError, ForbiddenError, MethodNotAllowedError, NotSupportedError
from exchange.fhir.interaction import Interaction, parse
from exchange.services.interactions import EVERY_TYPE, THE_TYPE, InteractionRow, Interactions, Outcome


def principal(*scopes: str, kind: Kind = Kind.SYSTEM) -> Principal:
    return Principal(kind, "client", "CityMSP", "TREAT", scopes, "0" * 64, user="")


EVERYTHING = principal("system/*.cruds")


async def answer(_principal: Principal, interaction: Interaction, body: bytes) -> Outcome:
    return Outcome(body=body or interaction.target.encode())


async def never(_principal: Principal, _interaction: Interaction, _body: bytes) -> Outcome:
    raise AssertionError


async def body(*, optional: bool) -> bytes:
    return b"optional" if optional else b"needed"


def row(code: str, resource_type: str = EVERY_TYPE, **more: object) -> InteractionRow:
    return replace(InteractionRow(code=code, resource_type=resource_type, handle=answer), **more)


@pytest.fixture
def table() -> Interactions:
    made = Interactions(virtual=["AuditEvent"])
    made.add(
        row("read", parameters=frozenset({"_elements"})),
        row("create", takes_body=True, writes=True, conditions=frozenset({"If-None-Exist"})),
        row("delete", writes=True, conditions=frozenset({"If-Match"})),
        row("search-type", parameters=None),
        row("read", "AuditEvent"),
        row("create", "AuditEvent", refusal="the ledger alone", handle=never),
        row("read", "OperationDefinition", logical_id="own", public=True, scopes=()),
        row("$everything", "Patient", method="GET", on_instance=True, scopes=[("search-type", "*")]),
        row("$validate", method="POST", takes_body=True, scopes=[("create", THE_TYPE)]),
        row("$assess-risk", "Patient", method="POST", on_instance=True, takes_body=True, optional_body=True),
        row("transaction", "", scopes=(), takes_body=True),
    )
    return made


async def test_an_interaction_is_performed_by_its_row(table: Interactions) -> None:
    assert (await table.perform(EVERYTHING, parse("GET", "Patient/1"))).body == b"Patient/1"
    assert (await table.perform(EVERYTHING, parse("POST", "Patient"), body)).body == b"needed"
    assert (await table.perform(EVERYTHING, parse("POST", ""), body)).body == b"needed"


async def test_no_body_is_read_where_none_is_taken_or_the_scope_is_missing(table: Interactions) -> None:
    async def unread(*, optional: bool) -> bytes:
        raise AssertionError(optional)

    await table.perform(EVERYTHING, parse("GET", "Patient/1"), unread)
    with pytest.raises(ForbiddenError):
        await table.perform(principal("system/*.r"), parse("POST", "Patient"), unread)


async def test_an_operation_may_take_a_body_or_none(table: Interactions) -> None:
    asked = parse("POST", "Patient/1/$assess-risk")
    with pytest.raises(ForbiddenError):  # a row without scopes of its own needs one that no token has
        await table.perform(EVERYTHING, asked, body)
    free = Interactions()
    free.add(row("$assess-risk", "Patient", method="POST", on_instance=True, takes_body=True,
                 optional_body=True, scopes=()))  # fmt: skip
    assert (await free.perform(EVERYTHING, asked, body)).body == b"optional"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "Patient/1", "system/Patient.r"),
        ("GET", "Patient", "system/Patient.s"),
        ("POST", "Patient", "system/Patient.c"),
        ("DELETE", "Patient/1", "system/Patient.d"),
        ("GET", "Patient/1/$everything", "system/*.s"),
        ("POST", "Patient/$validate", "system/Patient.c"),
        ("GET", "AuditEvent/1", "system/AuditEvent.r"),
    ],
)
def test_each_row_needs_its_scope_and_no_other(
    table: Interactions, method: str, path: str, scope: str
) -> None:
    asked = parse(method, path)
    table.authorise(principal(scope), asked)
    level, _, rest = scope.partition("/")
    others = [f"{level}/Group.{rest.partition('.')[2]}", f"{level}/*.u", scope.replace("system", "patient")]
    for wrong in (principal(), principal(*others), principal(scope, kind=Kind.PATIENT)):
        with pytest.raises(ForbiddenError):
            table.authorise(wrong, asked)


def test_a_condition_needs_the_scope_to_search(table: Interactions) -> None:
    asked = parse("POST", "Patient", condition="identifier=1")
    table.authorise(principal("system/Patient.cs"), asked)
    with pytest.raises(ForbiddenError, match="search-type"):
        table.authorise(principal("system/Patient.c"), asked)


def test_an_interaction_that_writes_nothing_itself_takes_no_condition(table: Interactions) -> None:
    for path in ("", "Patient/$validate"):
        with pytest.raises(BadRequestError, match="does not support If-None-Exist"):
            table.authorise(principal("system/Patient.c"), parse("POST", path, condition="identifier=1"))


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "Patient/1", ["GET", "HEAD", "DELETE"]),
        ("PUT", "Patient/1", ["GET", "HEAD", "DELETE"]),
        ("DELETE", "Patient", ["GET", "HEAD", "POST"]),
        ("BREW", "Patient", ["GET", "HEAD", "POST"]),
        ("GET", "Patient/_search", ["POST"]),
        ("PUT", "AuditEvent/1", ["GET", "HEAD"]),
        ("POST", "Patient/1/$everything", ["GET", "HEAD"]),
        ("GET", "Patient/1/$assess-risk", ["POST"]),
        ("GET", "Group/$validate", ["POST"]),
        ("DELETE", "OperationDefinition/own", ["GET", "HEAD"]),
        ("GET", "", ["POST"]),
    ],
)
def test_a_method_that_an_address_does_not_support_names_those_that_it_does(
    table: Interactions, method: str, path: str, allow: list[str]
) -> None:
    with pytest.raises(MethodNotAllowedError) as refused:
        table.authorise(EVERYTHING, parse(method, path))
    assert list(refused.value.allow) == allow


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Patient/_history", "history-type"),
        ("_history", "history-system"),
        ("Observation/$lastn", r"\$lastn"),
        ("$export", r"\$export"),
        ("Patient/$anything", "the operation"),
        ("Patient/$everything", r"\$everything"),
        ("Group/1/$everything", r"\$everything"),
        ("Patient/1/$validate", r"\$validate"),
        ("Patient/1/Observation", "search-compartment"),
        ("AuditEvent/1/_history", "history-instance"),
        ("OperationDefinition/own/_history", "history-instance"),
        ("metadata", "capabilities"),
    ],
)
def test_an_address_without_a_row_is_not_supported_by_name(table: Interactions, path: str, name: str) -> None:
    for method in ("GET", "POST", "PUT"):
        with pytest.raises(NotSupportedError, match="not supported") as refused:
            table.authorise(EVERYTHING, parse(method, path))
        if parse(method, path).code:
            assert refused.match(f"{name} is not supported")


def test_a_row_may_refuse_an_interaction_that_fhir_has(table: Interactions) -> None:
    with pytest.raises(ForbiddenError, match="the ledger alone"):
        table.authorise(EVERYTHING, parse("POST", "AuditEvent"))
    assert [one.code for one in table.of_type("AuditEvent")] == ["read"]


def test_a_parameter_that_is_not_taken_is_refused_unless_leniency_is_asked_for(table: Interactions) -> None:
    table.authorise(EVERYTHING, parse("GET", "Patient/1", "_elements=id&_format=json"))
    with pytest.raises(BadRequestError, match="read supports only _elements"):
        table.authorise(EVERYTHING, parse("GET", "Patient/1", "_method=DELETE"))
    table.authorise(EVERYTHING, parse("GET", "Patient/1", "_other=1", lenient=True))
    for lenient in (False, True):
        with pytest.raises(BadRequestError, match="delete supports no parameters"):
            table.authorise(EVERYTHING, parse("DELETE", "Patient/1", "_cascade=delete", lenient=lenient))


def test_a_condition_that_a_write_does_not_take_is_refused(table: Interactions) -> None:
    table.authorise(EVERYTHING, parse("DELETE", "Patient/1", if_match='W/"1"'))
    for wrong in ({"if_none_match": "*"}, {"condition": "a=1"}):
        with pytest.raises(BadRequestError, match="delete does not support If-None-"):
            table.authorise(EVERYTHING, parse("DELETE", "Patient/1", **wrong))
    with pytest.raises(BadRequestError, match="create does not support If-Match"):
        table.authorise(EVERYTHING, parse("POST", "Patient", if_match='W/"1"'))


def test_two_rows_for_one_interaction_are_a_mistake(table: Interactions) -> None:
    for again in (row("read", "Patient"), row("read"), row("read", "OperationDefinition", logical_id="own")):
        with pytest.raises(ValueError, match="two rows"):
            table.add(again)
