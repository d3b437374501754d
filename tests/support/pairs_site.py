"""A gateway's consent filing over the real contracts, with a ledger that may answer late, or never."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from chaincode.consent.model import Pair
from chaincode.policy.model import Policy, PolicyRule
from exchange.consent.compile import CompiledConsent, terms_id
from exchange.consent.provisions import NamedCondition, NamedEntity, NamedProvision
from exchange.crypto.keys import KeyRing, SubjectKeys
from exchange.crypto.pair_versions import consent_version
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.references import References
from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.errors import RefusedError, UnknownOutcomeError
from exchange.ledger.port import Checkpoint, Committed, LedgerEvent, Transactions
from exchange.services.access.patient_links import PatientLinks
from exchange.services.access.subject_keys import SubjectKeyStore
from exchange.services.consents.expected import context_of, seal_consent
from exchange.services.consents.pairs import Pairs
from exchange.store.engine.database import Database
from exchange.store.migrations.create import create_records
from exchange.store.records import subjects as store
from exchange.store.records.tables import metadata
from exchange.vault.file import FileVault, create_vault
from tests.support import key_store

A, B, C = "HospitalAMSP", "HospitalBMSP", "HospitalCMSP"
MEMBERS = {f"Organization/{name}": name for name in (A, B, C)}

Fate = Literal["commits", "answer-lost", "late", "never"]


class Stalling:
    """The embedded ledger behind a network that loses answers and delivers some calls late.

    Each change of consent meets one of the `fates` that are left, and then none. `late` is what was not
    delivered yet: `deliver` brings one of them, in any order, as the orderer might.
    """

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self._ledger = ledger
        self.fates: deque[Fate] = deque()
        self.late: list[tuple[str, bytes]] = []
        self.submitted: list[tuple[str, bytes]] = []

    @property
    def msp_id(self) -> str:
        return self._ledger.msp_id

    async def submit(
        self, function: str, args: bytes, *, transient: Mapping[str, bytes] | None = None
    ) -> Committed:
        if not function.startswith("consent:"):
            return await self._ledger.submit(function, args, transient=transient)
        self.submitted.append((function, args))
        fate = self.fates.popleft() if self.fates else "commits"
        if fate == "late":
            self.late.append((function, args))
        if fate in {"late", "never"}:
            raise UnavailableError("the ledger did not answer in time")
        committed = await self._ledger.submit(function, args, transient=transient)
        if fate == "answer-lost":
            raise UnknownOutcomeError("the answer was lost")
        return committed

    async def deliver(self, place: int) -> None:
        """Commit all that was late, unless the contract refuses it by now."""
        function, args = self.late.pop(place % len(self.late))
        with suppress(RefusedError):
            await self._ledger.submit(function, args)

    def trouble(self) -> str | None:
        return None

    def doubt(self) -> str | None:
        return None

    async def evaluate(self, function: str, args: bytes) -> bytes:
        return await self._ledger.evaluate(function, args)

    def events(self, after: Checkpoint | None) -> AsyncIterator[LedgerEvent]:
        return self._ledger.events(after)

    async def close(self) -> None:
        await self._ledger.close()


def draft(
    name: str, rules: Iterable[NamedProvision], status: str = "active", version: int = 1
) -> CompiledConsent:
    """Return a compiled consent with these exceptions."""
    root = NamedProvision("none", exceptions=tuple(rules))
    return CompiledConsent(name, version, status, "patient", root)  # type: ignore[arg-type]  # one of three


def towards(*recipients: str, effect: str = "permit", **conditions: object) -> NamedProvision:
    """Return a rule about these organisations."""
    actors = tuple(NamedEntity("organization", f"Organization/{name}") for name in recipients)
    return NamedProvision(effect, NamedCondition(actors=actors, **conditions))  # type: ignore[arg-type]  # one of three


class Site:
    """One patient's consents at Hospital A. `stored` is the newest version of each."""

    def __init__(self, folder: Path, ledger: Stalling) -> None:
        self.ledger = ledger
        self.client = LedgerClient(ledger)
        vault = FileVault(folder / "root.key")
        self.references = References(vault.derive("references"))
        self.records = Database(
            folder / "records.db",
            metadata,
            durable=False,
            begin=create_records,
            beside=key_store.made(folder / "keys.db"),
        )
        self.keys = SubjectKeyStore(KeyRing(vault), self.records)
        self.stored: dict[str, CompiledConsent] = {}
        self.later = 0.0  # seconds by which the clock of its pairs is turned forward
        self.restart()

    def restart(self) -> None:
        """End the process and start it again: its memory is gone."""
        self.links = PatientLinks(self.references, self.records)
        self.pairs = Pairs(
            msp_id=A,
            members=MEMBERS,
            directory=self.references.directory,
            records=self.records,
            keys=self.keys,
            links=self.links,
            ledger=self.client,
            clock=lambda: time.monotonic() + self.later,
        )

    async def patient(self, name: str = "p") -> SubjectKeys:
        token = self.references.subject(name)
        return (await self.keys.ensure({token: name}))[token]

    def reference(self, name: str) -> bytes:
        return self.references.record("Consent", name)

    async def put(self, *drafts: CompiledConsent, patient: str = "p") -> None:
        """Store new versions of consents and file them, as a write does."""
        keys = await self.patient(patient)
        changes = [(keys, self.reference(one.id), one) for one in drafts]

        async def commit() -> None:
            newer = []
            for one in drafts:
                version = self.stored[one.id].version + 1 if one.id in self.stored else 1
                newer.append(msgspec.structs.replace(one, version=version))
            rows = [seal_consent(keys, self.reference(one.id), one.version, one) for one in newer]
            await self.records.write(lambda c: [store.put_consent(c, keys.token, row, due=0) for row in rows])
            self.stored |= {one.id: one for one in newer}

        await self.pairs.change(changes, commit)

    async def ensure(self, recipient: str, patient: str = "p") -> bool:
        """Check whether the patient's pair towards `recipient` is open, after the first steps of a read."""
        keys = await self.patient(patient)
        return keys.token in await self.pairs.ensure([keys], recipient)

    async def held(self, recipient: str, patient: str = "p") -> Pair | None:
        """Return the patient's pair towards `recipient`; each consent has the version that is stored here."""
        secret = PatientSecret((await self.patient(patient)).secret)
        pair = await self.client.read_pair(secret.pair(recipient))
        if pair is None:
            return None
        salt = secret.salt(recipient)
        consents = tuple(
            msgspec.structs.replace(
                terms, version=consent_version(terms.version, terms_id=terms.id, salt=salt)
            )
            for terms in pair.consents
        )
        return msgspec.structs.replace(pair, consents=consents)

    async def terms_id(self, name: str, recipient: str) -> str:
        """Return the consent `name` in that pair."""
        return terms_id(draft(name, ()), context_of(await self.patient(), recipient, MEMBERS))

    async def close(self) -> None:
        self.records.close()
        await self.client.close()


@asynccontextmanager
async def opened_site(*rules: PolicyRule, voters: tuple[str, ...] = ()) -> AsyncIterator[Site]:
    """Return a site of a founded consortium with these rules and voters in its policy."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        create_vault(folder / "root.key")
        EmbeddedLedger.create_key(folder / "node.pem")
        ledger = EmbeddedLedger.open(folder / "ledger.db", key=folder / "node.pem", msp_id=A)
        checked: Transactions = Stalling(ledger)
        await LedgerClient(checked).found_policy(
            Policy(version=1, members=(A, B, C), rules=rules, voters=voters)
        )
        site = Site(folder, Stalling(ledger))
        try:
            yield site
        finally:
            await site.close()
