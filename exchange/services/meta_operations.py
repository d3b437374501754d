"""`$meta-delete`: the one way to take security labels, tags and profiles off a record.

An update keeps the labels that its sender left out, because the sender may not know them. So taking one off
is an operation of its own: a read and an update, each with its entry in the log.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec

from exchange.auth.principal import Principal
from exchange.errors import InvalidResourceError, Problem
from exchange.fhir import r4
from exchange.fhir.interaction import Interaction
from exchange.fhir.resource_bytes import meta_of, without_meta
from exchange.services.interactions import THE_TYPE, InteractionRow, Outcome
from exchange.services.records.conditions.preconditions import Precondition
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.read import RecordReader
from exchange.services.records.write_rights import WriteRights


class MetaOperations:
    """The handler of `$meta-delete` for one custodian's records."""

    def __init__(self, *, reading: RecordReader, writing: RecordWriter, rights: WriteRights) -> None:
        self._reading = reading
        self._writing = writing
        self._rights = rights

    def row(self, every: str) -> InteractionRow:
        """Return the row for the types of `every`."""
        return InteractionRow(
            code="$meta-delete",
            resource_type=every,
            handle=self._delete,
            scopes=[("read", THE_TYPE), ("update", THE_TYPE)],
            method="POST",
            on_instance=True,
            takes_body=True,
            definition="http://hl7.org/fhir/OperationDefinition/Resource-meta-delete",
        )

    async def _delete(self, principal: Principal, interaction: Interaction, body: bytes) -> Outcome:
        right = self._rights.grant(principal, interaction.type)
        dropped = await asyncio.to_thread(_meta_sent, body)
        found = await self._reading.read(principal, interaction.type, interaction.id)
        left = without_meta(found.body, dropped)
        if left == found.body:
            return Outcome(200, _returned(left), found.tx_id, found.version, found.written)
        change = await self._writing.prepare(
            right,
            left,
            logical_id=interaction.id,
            precondition=Precondition(match=frozenset({found.version})),
            replaces=True,
        )
        [result] = await self._writing.write(
            [replace(change, keeps_labels=False)], by=principal, interaction=interaction.code
        )
        return Outcome(200, _returned(result.body), result.tx_id, result.version, result.written)


def _meta_sent(body: bytes) -> dict[str, Any]:
    """Return the Meta of a Parameters body.

    Raises:
        InvalidResourceError: it is no valid Parameters, or has another part than one `meta`.
    """
    parameters = r4.check(body, expected="Parameters").resource.get("parameter", [])
    if len(parameters) == 1 and parameters[0].get("name") == "meta" and "valueMeta" in parameters[0]:
        return dict(parameters[0]["valueMeta"])
    problem = Problem("Parameters.parameter", "has to be one part `meta` with a valueMeta", "required")
    raise InvalidResourceError("the Parameters can't be used", problems=[problem])


def _returned(body: bytes) -> bytes:
    part = {"name": "return", "valueMeta": meta_of(body)}
    return msgspec.json.encode({"resourceType": "Parameters", "parameter": [part]})
