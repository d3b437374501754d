"""The demo's consortium: one hospital's node, two other members, and a client key for each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.auth.assertions import public_jwk
from exchange.auth.clients import new_client
from exchange.auth.principal import Member
from exchange.client.system import SystemClient, read_key, write_key
from exchange.demo.nhanes import participants
from exchange.load import Chunk, FilePosition
from exchange.load.load import BulkLoad
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise, survey_channel
from exchange.node.open import open_node
from exchange.node.settings import NodeSettings
from exchange.runtime.progress import TrackedWork

CITY = Member.named("CityHospitalMSP", "City Hospital")
LAKE = Member.named("LakeClinicMSP", "Lake Clinic")
RIDGE = Member.named("RidgeInstituteMSP", "Ridge Research Institute")
MEMBERS = (CITY, LAKE, RIDGE)

_AT_ONCE = 40
"""Participants in one batch of loading."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo node: its folder, its address, and its clients' ids and key files by organisation."""

    folder: NodeFolder
    settings: NodeSettings

    def key_file(self, member: Member) -> Path:
        """Return the private key file of the member's demo client."""
        return self.folder.path / "clients" / f"{client_id(member)}.pem"

    def client(
        self, member: Member, purpose: str = "TREAT", *, user: str = "", name: str = ""
    ) -> SystemClient:
        """Return the member's system, ready to call."""
        return SystemClient(
            self.settings.base_url,
            client_id(member),
            member.msp_id,
            read_key(self.key_file(member)),
            purpose=purpose,
            user=user,
            user_name=name,
        )


def client_id(member: Member) -> str:
    """Return the id of the member's demo client."""
    return f"{member.organization}-ehr"


def is_begun(folder: NodeFolder) -> bool:
    """Return whether `build` was cut off in `folder`.

    Raises:
        ConfigError: the settings there can't be used.
    """
    making = NodeFolder(folder.path, unfinished=True)
    if not making.settings_file.exists():
        return making.unfinished.exists()
    begun = making.load()
    return (begun.msp_id, begun.members) == (CITY.msp_id, MEMBERS)


def begun_port(folder: NodeFolder) -> int | None:
    """Return the port of a node that was begun; None where it has no settings yet."""
    making = NodeFolder(folder.path, unfinished=True)
    return making.load().port if making.settings_file.exists() else None


def settings_for(port: int, *, name: str = "127.0.0.1") -> NodeSettings:
    """Return the demo node's settings on `port` of this machine, with `name` in its public address."""
    return NodeSettings(
        msp_id=CITY.msp_id, base_url=f"http://{name}:{port}", members=MEMBERS, port=port, zone="UTC"
    )


async def build(
    path: Path,
    port: int,
    people: int,
    profile: Path | None = None,
    database: str | None = None,
    *,
    name: str = "127.0.0.1",
) -> Demo:
    """Make the node in `path`, register a client for each member, and load `people` survey participants.

    With the connection profile of City Hospital's peer the node is on that Fabric channel; with the URL of a
    `database`, records and log are on PostgreSQL. `name` stands for this machine in the public address. A
    node that was cut off before it had clients is completed.
    """
    folder, settings = (
        NodeFolder(path),
        msgspec.structs.replace(settings_for(port, name=name), database=database),
    )
    if profile is not None:
        channel = await survey_channel(profile)
        settings = msgspec.structs.replace(
            settings, ledger="fabric", profile=str(profile), first_block=channel.first_block
        )
    if folder.unfinished.exists() or not folder.settings_file.exists():
        await initialise(folder, settings)
    demo = Demo(folder, settings)
    (path / "clients").mkdir(mode=0o700)
    async with open_node(folder) as node:
        for member in MEMBERS:
            key = ec.generate_private_key(ec.SECP384R1())
            write_key(demo.key_file(member), key)
            client = new_client(
                client_id=client_id(member),
                name=f"{member.name} records system",
                organization=member.msp_id,
                jwks=msgspec.json.encode({"keys": [public_jwk(key)]}),
                allowed=["system/*.cruds"],
                created=time.time_ns() // 1_000_000,
            )
            await node.gateway.tokens.clients.register(client)
        async with BulkLoad(
            msp_id=settings.msp_id,
            indexer=node.indexer,
            writing=node.gateway.writing,
            conditions=node.gateway.conditions,
            records=node.records,
        ) as bulk:
            await _load(bulk, people)
    return demo


async def _load(bulk: BulkLoad, people: int) -> None:
    go_on = "remove the folder and start again"
    with TrackedWork("loading", total=people, go_on=go_on, counted="resources") as work:
        async with aclosing(bulk.load(_chunks(people))) as loads:
            left = people
            async for batches in loads:
                if faults := [fault for batch in batches for fault in batch.faults]:
                    raise RuntimeError(f"the demo's own data were refused: {faults[0].reason}")
                some = min(left, _AT_ONCE * len(batches))
                work.advance(some, count=sum(batch.stored for batch in batches))
                left -= some
                if work.interrupted:
                    raise KeyboardInterrupt


def _chunks(people: int) -> Iterator[Chunk]:
    """Yield the participants as lines of a file that is never written, each chunk one batch."""
    survey = iter(participants(people))
    nowhere = FilePosition()
    while some := list(islice(survey, _AT_ONCE)):
        records = (record for one in some for record in (one.patient, *one.records))
        text = b"\n".join(msgspec.json.encode(record) for record in records)
        yield Chunk(Path("nhanes"), "nhanes", nowhere, nowhere, len(text), text)


def permit_consent(patient: str, recipient: Member, *, status: str = "active") -> dict[str, Any]:
    """Return a FHIR Consent by which `patient` lets `recipient` read all records for treatment."""
    terminology = "http://terminology.hl7.org/CodeSystem"
    return {
        "resourceType": "Consent",
        "status": status,
        "scope": {"coding": [{"system": f"{terminology}/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "dateTime": "2026-11-22T09:00:00Z",
        "policyRule": {"coding": [{"system": f"{terminology}/v3-ActCode", "code": "OPTIN"}]},
        "provision": {
            "type": "permit",
            "actor": [
                {
                    "role": {"coding": [{"system": f"{terminology}/v3-ParticipationType", "code": "IRCP"}]},
                    "reference": {"reference": f"Organization/{recipient.organization}"},
                }
            ],
            "purpose": [{"system": f"{terminology}/v3-ActReason", "code": "TREAT"}],
        },
    }
