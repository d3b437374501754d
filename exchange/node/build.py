"""Builds the services of an open node, one function for each group, from the ground up.

Every function gets the groups that it needs and returns its own. None of them starts anything;
`exchange.node.open` does.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from cryptography.x509 import load_pem_x509_certificate

from exchange.ledger.client import LedgerClient
from exchange.ledger.embedded.reader import open_reader
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.port import Transactions
from exchange.ledger.projection import Projection
from exchange.node.folder import NodeFolder
from exchange.node.gateway import Gateway
from exchange.node.identity.recorded_identity import RecordedMembers
from exchange.node.keys import NodeKeys
from exchange.node.parts import NodeParts
from exchange.node.risk_model import open_model, read_model_files
from exchange.node.settings import ConfigError, NodeSettings
from exchange.runtime.metrics import CERTIFICATE_END
from exchange.runtime.quota import MemoryQuota, minimum_limit
from exchange.services.access.allowances import EntryAllowances
from exchange.services.access.enforcement import Enforcement
from exchange.services.access.patient_links import PatientLinks
from exchange.services.access.releases import ReleaseNotes
from exchange.services.access.request_rates import RequestRates
from exchange.services.access.subject_keys import SubjectKeyStore
from exchange.services.audit.access_log import Audit
from exchange.services.audit.access_review import AccessReview
from exchange.services.audit.log_index import LogIndex
from exchange.services.audit.review_facts import ReviewFacts
from exchange.services.auth.client_commitments import WatchedClients
from exchange.services.auth.identity_events import RefusedLogIns
from exchange.services.auth.proxies import Proxies
from exchange.services.auth.tokens import Tokens
from exchange.services.consents.conditions import SealedConditions
from exchange.services.consents.named_practitioners import NamedPractitioners
from exchange.services.consents.pairs import Pairs
from exchange.services.health import Dependencies, NodeHealth
from exchange.services.interaction_table import build_capabilities, build_interactions
from exchange.services.jobs.kinds import JobKinds
from exchange.services.jobs.queue import JobQueue
from exchange.services.jobs.remove_expired import remove_expired
from exchange.services.jobs.runner import JobRunner
from exchange.services.membership import Members, Membership
from exchange.services.records.conditions.searched import Conditions
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.history import HistoryReader
from exchange.services.records.limits import RecordLimits
from exchange.services.records.prepare import Indexer
from exchange.services.records.read import RecordReader
from exchange.services.records.search import RecordSearch
from exchange.services.records.write_rights import WriteRights
from exchange.services.scoring import Scoring
from exchange.services.sign_in.door import PatientDoor
from exchange.services.writes.recording import Recording
from exchange.store.engine.database import Database


@dataclass(frozen=True, slots=True)
class NodeLimits:
    """The bounds and pauses of an open node that are no setting: operators don't choose them, tests do.

    `records` bounds searches and histories. `member_poll_seconds` lie between two checks of the settings for
    new members.
    """

    records: RecordLimits = field(default_factory=RecordLimits)
    member_poll_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Foundation:
    """The base of all services: settings, keys, members, databases and the ledger."""

    folder: NodeFolder
    settings: NodeSettings
    limits: NodeLimits
    listed: RecordedMembers
    keys: NodeKeys
    members: Members
    tokens: Tokens
    door: PatientDoor
    records: Database
    log: Database
    transactions: Transactions
    ledger: LedgerClient


def build_foundation(
    parts: NodeParts, limits: NodeLimits, transactions: Transactions, ledger: LedgerClient
) -> Foundation:
    """Open the databases, the log for this process alone."""
    return Foundation(
        folder=parts.folder,
        settings=parts.agreed,
        limits=limits,
        listed=RecordedMembers(parts.records, parts.keys.operator_seal, parts.recorded),
        keys=parts.keys,
        members=parts.members,
        tokens=parts.tokens,
        door=parts.door,
        records=parts.records,
        log=parts.open_log(exclusive=True),
        transactions=transactions,
        ledger=ledger,
    )


@dataclass(frozen=True, slots=True)
class AccessServices:
    """Asks the ledger, and opens documents with its answers."""

    subject_keys: SubjectKeyStore
    links: PatientLinks
    pairs: Pairs
    enforcement: Enforcement
    recording: Recording
    releases: ReleaseNotes


def build_access(ground: Foundation) -> AccessServices:
    """Build decisions, and the pairs that they are made on."""
    references = ground.keys.references
    subject_keys = SubjectKeyStore(ground.keys.ring, ground.records)
    links = PatientLinks(references, ground.records)
    pairs = Pairs(
        msp_id=ground.settings.msp_id,
        members=ground.members.references,
        directory=references.directory,
        records=ground.records,
        keys=subject_keys,
        links=links,
        ledger=ground.ledger,
    )
    releases = ReleaseNotes(ledger=ground.ledger, entries=ground.log, keys=subject_keys)
    enforcement = Enforcement(
        base=ground.settings.fhir_base,
        references=references,
        keys=subject_keys,
        links=links,
        pairs=pairs,
        ledger=ground.ledger,
        entries=ground.log,
        conditions=SealedConditions(ground.records),
        allowances=EntryAllowances(ground.settings.entries_per_minute),
        releases=releases,
    )
    recording = Recording(
        msp_id=ground.settings.msp_id,
        base=ground.settings.fhir_base,
        records=ground.records,
        keys=subject_keys,
        pairs=pairs,
        ledger=ground.ledger,
        entries=ground.log,
    )
    return AccessServices(subject_keys, links, pairs, enforcement, recording, releases)


@dataclass(frozen=True, slots=True)
class RecordServices:
    """Reads, finds, checks and writes records."""

    reading: RecordReader
    searching: RecordSearch
    indexer: Indexer
    writing: RecordWriter
    histories: HistoryReader
    conditions: Conditions
    rights: WriteRights


def build_records(ground: Foundation, access: AccessServices) -> RecordServices:
    """Build the interactions with records."""
    settings, keys = ground.settings, ground.keys
    searching = RecordSearch(
        base=settings.fhir_base,
        msp_id=settings.msp_id,
        references=keys.references,
        token_keys=keys.search_tokens,
        records=ground.records,
        links=access.links,
        pairs=access.pairs,
        enforcement=access.enforcement,
        limits=ground.limits.records,
    )
    reading = _reading(ground, access)
    indexer = Indexer(
        base=settings.fhir_base,
        members=ground.members.references,
        references=keys.references,
        token_keys=keys.search_tokens,
        zone=settings.time_zone,
    )
    writing = RecordWriter(
        references=keys.references,
        indexer=indexer,
        records=ground.records,
        keys=access.subject_keys,
        links=access.links,
        pairs=access.pairs,
        practitioners=_practitioners(settings, reading, searching),
        recording=access.recording,
    )
    return RecordServices(
        reading=reading,
        searching=searching,
        indexer=indexer,
        writing=writing,
        histories=HistoryReader(
            references=keys.references,
            records=ground.records,
            enforcement=access.enforcement,
            reading=reading,
            limits=ground.limits.records,
        ),
        conditions=Conditions(base=settings.fhir_base, searching=searching),
        rights=WriteRights(msp_id=settings.msp_id),
    )


def _reading(ground: Foundation, access: AccessServices) -> RecordReader:
    return RecordReader(
        msp_id=ground.settings.msp_id,
        references=ground.keys.references,
        records=ground.records,
        links=access.links,
        enforcement=access.enforcement,
    )


def _practitioners(
    settings: NodeSettings, reading: RecordReader, searching: RecordSearch
) -> NamedPractitioners:
    quota = MemoryQuota(minimum_limit(settings.body_limit))
    return NamedPractitioners(msp_id=settings.msp_id, reading=reading, searching=searching, quota=quota)


@dataclass(frozen=True, slots=True)
class AuditServices:
    """Follows the ledger into the log, and answers from it."""

    projection: Projection
    index: LogIndex
    audit: Audit


def build_audit(ground: Foundation, access: AccessServices) -> AuditServices:
    """Build the access log; its projection is still to be started."""
    settings = ground.settings
    reader = partial(open_reader, ground.folder.ledger) if settings.ledger == "embedded" else None
    projection = Projection(
        ground.transactions, ground.log, open_reader=reader, policy_changed=access.pairs.policy_changed
    )
    index = LogIndex(
        msp_id=settings.msp_id,
        references=ground.keys.references,
        keys=access.subject_keys,
        entries=ground.log,
    )
    audit = Audit(
        msp_id=settings.msp_id,
        members=ground.members,
        references=ground.keys.references,
        keys=access.subject_keys,
        links=access.links,
        enforcement=access.enforcement,
        entries=ground.log,
        records=ground.records,
        projection=projection,
        index=index,
        releases=access.releases,
    )
    return AuditServices(projection, index, audit)


def build_review(
    ground: Foundation, access: AccessServices, records: RecordServices, audit: AuditServices
) -> AccessReview:
    """Build the review of accesses; each has facts of its own, read anew."""
    settings, references = ground.settings, ground.keys.references
    facts = partial(
        ReviewFacts,
        msp_id=settings.msp_id,
        base=settings.fhir_base,
        members=ground.members,
        references=references,
        records=ground.records,
        enforcement=access.enforcement,
        searching=records.searching,
        quota=MemoryQuota(minimum_limit(settings.body_limit)),
    )
    return AccessReview(
        msp_id=settings.msp_id,
        references=references,
        keys=access.subject_keys,
        enforcement=access.enforcement,
        entries=ground.log,
        projection=audit.projection,
        facts=facts,
        zone=settings.time_zone,
    )


def build_scoring(
    stack: AsyncExitStack, ground: Foundation, access: AccessServices, records: RecordServices
) -> Scoring | None:
    """Open the risk model, until `stack` ends; None on a node without one.

    Raises:
        ConfigError: `[risk]` or its files can't be used.
    """
    settings = ground.settings
    if settings.risk_fault is not None:
        raise ConfigError(settings.risk_fault)
    if settings.risk is None:
        return None
    model = open_model(settings.risk, read_model_files(ground.folder, settings.risk))
    stack.push_async_callback(model.close)
    return Scoring(
        model=model,
        references=ground.keys.references,
        records=ground.records,
        enforcement=access.enforcement,
        searching=records.searching,
        writing=records.writing,
        zone=settings.time_zone,
    )


@dataclass(frozen=True, slots=True)
class JobServices:
    """Queues jobs and runs them."""

    kinds: JobKinds
    queue: JobQueue
    runner: JobRunner


def build_jobs(ground: Foundation, access: AccessServices) -> JobServices:
    """Build the jobs of the node, which share a memory quota beside that of the requests."""
    records, seal = ground.records, ground.keys.job_seal
    kinds = JobKinds([remove_expired(records)])
    runner = JobRunner(
        records=records,
        kinds=kinds,
        seal=seal,
        enforcement=access.enforcement,
        quota=MemoryQuota(minimum_limit(ground.settings.body_limit)),
    )
    return JobServices(kinds, JobQueue(records, kinds, seal), runner)


def build_proxies(ground: Foundation, records: RecordServices) -> None:
    """Have this process, which may read records, check the persons who act for patients."""
    settings = ground.settings
    ground.tokens.check_proxies(
        Proxies(
            base=settings.fhir_base,
            references=ground.keys.references,
            records=ground.records,
            reading=records.reading,
            quota=MemoryQuota(minimum_limit(settings.body_limit)),
            zone=settings.time_zone,
        )
    )


def build_log_ins(parts: NodeParts, ground: Foundation, access: AccessServices) -> RefusedLogIns:
    """Have this process record the events of identity, watch the clients, and count refused log-ins."""
    parts.identity_events.completed_by(access.recording)
    parts.tokens.watch_clients(
        WatchedClients(parts.client_commitments, records=parts.records, entries=ground.log)
    )
    refused = RefusedLogIns(parts.records, parts.identity_events)
    parts.tokens.count_refusals(refused)
    return refused


def build_membership(ground: Foundation, records: RecordServices) -> Membership:
    """Build the service that updates the members from the settings."""
    return Membership(
        msp_id=ground.settings.msp_id,
        listed=ground.listed,
        members=ground.members,
        references=ground.keys.references,
        records=ground.records,
        reading=records.reading,
        writing=records.writing,
        quota=MemoryQuota(minimum_limit(ground.settings.body_limit)),
        poll_seconds=ground.limits.member_poll_seconds,
    )


def certificate_ends(ground: Foundation) -> dict[str, float]:
    """Return the ends of the certificates that this node shows to a Fabric network, in seconds since 1970."""
    path = ground.folder.profile(ground.settings)
    if path is None:
        return {}
    profile = Profile.read(path)
    files = {"the certificate for Fabric": profile.certificate}
    if profile.tls_certificate is not None:
        files["the TLS certificate for peers"] = profile.tls_certificate
    ends = {
        name: load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc.timestamp()
        for name, file in files.items()
    }
    for name, end in ends.items():
        CERTIFICATE_END.labels(name).set(end)
    return ends


def build_gateway(
    ground: Foundation, records: RecordServices, audit: AuditServices, scoring: Scoring | None
) -> Gateway:
    """Put the services that the API calls together."""
    settings = ground.settings
    interactions = build_interactions(
        base=settings.fhir_base,
        cursors=ground.keys.cursors,
        reading=records.reading,
        histories=records.histories,
        searching=records.searching,
        writing=records.writing,
        conditions=records.conditions,
        rights=records.rights,
        audit=audit.audit,
        scoring=scoring,
    )
    return Gateway(
        base=settings.fhir_base,
        base_url=settings.base_url,
        member=settings.member,
        members=ground.members,
        tokens=ground.tokens,
        door=ground.door,
        zone=settings.time_zone,
        interactions=interactions,
        capabilities=build_capabilities(
            interactions, base=settings.fhir_base, member=settings.member, token_url=settings.token_url
        ),
        reading=records.reading,
        histories=records.histories,
        writing=records.writing,
        conditions=records.conditions,
        rights=records.rights,
        quota=MemoryQuota(settings.memory_limit, headroom=minimum_limit(settings.body_limit)),
        rates=RequestRates(per_client=settings.requests_per_minute, unknown=settings.unknown_per_minute),
        health=NodeHealth(
            ground.ledger,
            Dependencies((ground.records, ground.log), ground.folder.path, certificate_ends(ground)),
        ),
        scoring=scoring,
    )
