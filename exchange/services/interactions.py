"""One dispatch of FHIR interactions: a table of rows, the scopes that each needs, and an `Outcome` for each.

1. A row declares that an interaction with a type is supported, and names its handler. The
   CapabilityStatement, `Allow` and every refusal follow from the rows alone.
2. A row of the type `*` is for every type but those that are virtual, such as AuditEvent: they have rows of
   their own alone. A row may also be for one record that is not stored.
3. A token's scopes are checked here and nowhere else, before a body is read or a lock is taken. A write
   with a condition needs the scope to search, too.
4. An interaction without a row is refused by its name, before anything is asked of the ledger: with 405 and
   `Allow` where the address supports another method, otherwise with 404.
5. Parameters and conditions that a row does not name are refused, so that no request is answered as another.

The API encodes an `Outcome` as a response, `services/records/transaction.py` as an entry of a Bundle.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

from exchange.auth import scopes
from exchange.auth.principal import Kind, Principal
from exchange.errors import (
    BadRequestError,
    ExchangeError,
    ForbiddenError,
    MethodNotAllowedError,
    NotSupportedError,
)
from exchange.fhir.interaction import PAGE, Interaction
from exchange.fhir.r4 import RESOURCE_TYPES

EVERY_TYPE: Final = "*"
"""The type of a row that is for every type without rows of its own."""
THE_TYPE: Final = ""
"""In a row's scopes, the type that the interaction is about."""
SHAPING: Final = frozenset({"_format", "_pretty"})
"""Parameters of any interaction that shape the answer and not the request."""

_LEVEL: Final = {Kind.SYSTEM: "system", Kind.PATIENT: "patient", Kind.OFFICER: "user"}
_NAMED: Final = {"history-instance": "history", "search-type": "search"}
_OPERATIONS: Final = frozenset(
    {
        *("$apply", "$assess-risk", "$care-gaps", "$closure", "$collect-data", "$conforms", "$convert"),
        *("$data-requirements", "$document", "$evaluate", "$evaluate-measure", "$everything", "$expand"),
        *("$export", "$find", "$find-matches", "$graph", "$graphql", "$implements", "$import", "$lastn"),
        *("$lookup", "$match", "$meta", "$meta-add", "$meta-delete", "$populate", "$preferred-id"),
        *("$process-message", "$questionnaire", "$snapshot", "$stats", "$submit-data", "$subset"),
        *("$subsumes", "$transform", "$translate", "$validate", "$validate-code", "$versions"),
    }
)
"""Operations that a refusal may name; any other name is the sender's own words."""

Scope = tuple[str, str]
"""An interaction's code and a resource type (`*` for all types) that a token's scopes must cover."""


class Outcome(msgspec.Struct, frozen=True):
    """The answer to one interaction, before it is encoded as a response or an entry.

    `version` is 0 where there is none. `written` is in ms since 1970 UTC. `location` is relative to the base.
    `notices` are warnings about what was done.
    """

    status: int = 200
    body: bytes = b""
    tx_id: str = ""
    version: int = 0
    written: int | None = None
    location: str = ""
    notices: tuple[str, ...] = ()


class BodyReader(Protocol):
    """Reads the body of a request, after the check that the interaction has one."""

    async def __call__(self, *, optional: bool) -> bytes:
        """Return the body; `optional` says that there need be none."""


Handler = Callable[[Principal, Interaction, bytes], Awaitable[Outcome]]
"""Performs an interaction after the check of its scopes; the body is empty where the row needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionRow:
    """One line of the table: `code` with `resource_type` is supported, and `handle` performs it.

    - `resource_type` is empty for the system level; `logical_id` names one record that is not stored.
    - `scopes` is what a token needs, None for the scope of `code` itself. A `public` row needs no token.
    - `parameters` are the supported ones, None where the handler checks them; `conditions` are the headers.
    - `method` and `on_instance` say how an operation is called.
    - `writes` marks the rows that change a record, `optional_body` those that work without a body as well.
    - `refusal` is the reason to refuse every principal, though the interaction is one of FHIR's.
    - `declares` is for the CapabilityStatement: more members of the type's entry; an operation's
      `definition`; the parameters that a search finds by.
    """

    code: str
    resource_type: str
    handle: Handler
    logical_id: str = ""
    scopes: Collection[Scope] | None = None
    public: bool = False
    parameters: frozenset[str] | None = frozenset()
    conditions: frozenset[str] = frozenset()
    method: str = ""
    on_instance: bool = False
    takes_body: bool = False
    optional_body: bool = False
    writes: bool = False
    refusal: str = ""
    declares: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    definition: str = ""
    search_parameters: Callable[[str], Iterable[tuple[str, str]]] | None = None

    def is_at(self, interaction: Interaction, method: str) -> bool:
        """Check whether it is for the method and the level at which an operation is called."""
        return not self.method or (self.method == method and self.on_instance == bool(interaction.id))


async def no_body(*, optional: bool) -> bytes:  # noqa: ARG001 - as the protocol has it
    """Read nothing."""
    return b""


class Interactions:
    """The table of all interactions of a gateway, and the one way to perform one of them."""

    def __init__(self, *, virtual: Collection[str] = ()) -> None:
        self._virtual = frozenset(virtual)
        self._rows: dict[tuple[str, str], InteractionRow] = {}
        self._records: dict[tuple[str, str], dict[str, InteractionRow]] = {}

    def add(self, *rows: InteractionRow) -> None:
        """Support more interactions.

        Raises:
            ValueError: the table has a row for one of them.
        """
        for row in rows:
            if row.logical_id:
                of_record = self._records.setdefault((row.resource_type, row.logical_id), {})
                _put(of_record, row.code, row)
            elif row.resource_type == EVERY_TYPE:
                for kind in RESOURCE_TYPES - self._virtual:
                    _put(self._rows, (row.code, kind), row)
            else:
                _put(self._rows, (row.code, row.resource_type), row)

    def of_type(self, resource_type: str) -> list[InteractionRow]:
        """Return the rows of a type, or of the system level for none, without those that refuse."""
        return [row for (_, kind), row in self._rows.items() if kind == resource_type and not row.refusal]

    def find(self, interaction: Interaction) -> InteractionRow:
        """Return the row of an interaction.

        Raises:
            MethodNotAllowedError: its address supports other methods.
            NotSupportedError: its address supports none.
        """
        row = self._look_up(interaction.code, interaction)
        if row is None or (row.method and not row.is_at(interaction, interaction.method)):
            raise self._unsupported(interaction)
        return row

    def authorise(self, principal: Principal, interaction: Interaction) -> InteractionRow:
        """Return the row of an interaction that the principal's scopes cover and that is well-formed.

        Raises:
            MethodNotAllowedError, NotSupportedError: see `find`.
            ForbiddenError: the scopes do not cover it, or the row refuses every principal.
            BadRequestError: the interaction does not support a parameter or a condition.
        """
        row = self.find(interaction)
        if row.scopes is None:
            _check_scope(principal, interaction.code, interaction.type)
        else:
            for code, resource_type in row.scopes:
                _check_scope(principal, code, resource_type or interaction.type)
        if row.refusal:
            raise ForbiddenError(row.refusal)
        if interaction.condition and row.writes:
            _check_scope(principal, "search-type", interaction.type)
        if interaction.parameters and row.parameters is not None:
            _check_parameters(row, interaction)
        _check_conditions(row, interaction)
        return row

    async def perform(
        self, principal: Principal, interaction: Interaction, body: BodyReader = no_body
    ) -> Outcome:
        """Perform an interaction that the principal's scopes cover.

        Raises:
            ExchangeError: see `authorise`, and the row's handler.
        """
        row = self.authorise(principal, interaction)
        received = await body(optional=row.optional_body) if row.takes_body else b""
        return await row.handle(principal, interaction, received)

    def _look_up(self, code: str, interaction: Interaction) -> InteractionRow | None:
        if self._records and interaction.id:
            virtual = self._records.get((interaction.type, interaction.id))
            if virtual is not None:
                return virtual.get(code)
        return self._rows.get((code, interaction.type))

    def _unsupported(self, interaction: Interaction) -> ExchangeError:
        allowed: list[str] = []
        for method, code in interaction.methods.items():
            row = self._look_up(code, interaction)
            if row is not None and not row.refusal and row.is_at(interaction, method):
                allowed += ("GET", "HEAD") if method == "GET" else (method,)
        message = f"{_name(interaction)} is not supported here"
        return MethodNotAllowedError(message, allow=allowed) if allowed else NotSupportedError(message)


def _put(rows: dict[Any, InteractionRow], key: object, row: InteractionRow) -> None:
    if key in rows:
        raise ValueError(f"two rows for {key}")
    rows[key] = row


def _name(interaction: Interaction) -> str:
    # A code of the grammar may be told; an operation's name only where it is a known one.
    code = interaction.code
    if not code:
        return "the method"
    return "the operation" if code.startswith("$") and code not in _OPERATIONS else code


def _check_scope(principal: Principal, code: str, resource_type: str) -> None:
    if not scopes.allows(principal.scopes, _LEVEL[principal.kind], code, resource_type):
        raise ForbiddenError(f"the token's scopes do not cover {code} of {resource_type}")


def _check_parameters(row: InteractionRow, interaction: Interaction) -> None:
    names = row.parameters or frozenset()
    if interaction.lenient and not row.writes:
        return
    if all(name in names or name in SHAPING for name, _ in interaction.parameters):
        return
    supported = ", ".join(sorted(names - {PAGE}))
    told = f"only {supported}" if supported else "no parameters"
    raise BadRequestError(f"{_NAMED.get(row.code, row.code)} supports {told}")


def _check_conditions(row: InteractionRow, interaction: Interaction) -> None:
    # A condition that is ignored changes what its sender did not want changed. On a read, only a condition
    # for sending nothing (304) may be ignored: the whole answer is never wrong.
    asked = [("If-None-Exist", interaction.condition), ("If-Match", interaction.if_match)]
    if row.writes:
        asked.append(("If-None-Match", interaction.if_none_match))
    for name, value in asked:
        if value and name not in row.conditions:
            raise BadRequestError(f"{row.code} does not support {name}")
