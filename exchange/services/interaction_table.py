"""The table of a node's interactions, put together: each room of services adds its rows."""

from __future__ import annotations

from exchange.auth.principal import Member
from exchange.crypto.cursors import Cursors
from exchange.services.audit.access_log import Audit
from exchange.services.audit.log_interactions import LogInteractions
from exchange.services.capabilities import Capabilities
from exchange.services.interactions import Interactions
from exchange.services.record_interactions import RecordInteractions
from exchange.services.records.conditions.searched import Conditions
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.history import HistoryReader
from exchange.services.records.pages import Pages
from exchange.services.records.prepare import LOG_TYPE
from exchange.services.records.read import RecordReader
from exchange.services.records.search import RecordSearch
from exchange.services.records.transaction import Bundles
from exchange.services.records.write_rights import WriteRights
from exchange.services.risk_interactions import RiskInteractions
from exchange.services.scoring import Scoring


def build_interactions(
    *,
    base: str,
    cursors: Cursors,
    reading: RecordReader,
    histories: HistoryReader,
    searching: RecordSearch,
    writing: RecordWriter,
    conditions: Conditions,
    rights: WriteRights,
    audit: Audit,
    scoring: Scoring | None,
) -> Interactions:
    """Return the table of all interactions but the one that describes it (`build_capabilities`).

    `base` is the FHIR base URL; `scoring` is None on a node without a risk model.
    """
    pages = Pages(base=base, cursors=cursors)
    records = RecordInteractions(
        base=base,
        reading=reading,
        histories=histories,
        searching=searching,
        writing=writing,
        conditions=conditions,
        rights=rights,
        pages=pages,
    )
    table = Interactions(virtual=[LOG_TYPE])
    table.add(*records.rows())
    table.add(*LogInteractions(base=base, audit=audit, pages=pages).rows())
    if scoring is not None:
        table.add(*RiskInteractions(base=base, scoring=scoring).rows())
    bundles = Bundles(base=base, interactions=table, writing=writing, conditions=conditions, rights=rights)
    table.add(*bundles.rows())
    return table


def build_capabilities(table: Interactions, *, base: str, member: Member, token_url: str) -> Capabilities:
    """Return the CapabilityStatement of `table`, which has a row for it from now on."""
    capabilities = Capabilities(interactions=table, base=base, member=member, token_url=token_url)
    table.add(capabilities.row())
    return capabilities
