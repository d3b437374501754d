"""Attacks with stolen keys on a real network: everything is tried, and nothing comes of it.

The thief has all of one hospital, Hospital 3 (a user, the administrator, the peer), or a certificate that
looks like Hospital 1's. The victim is Hospital 1 with a patient of its own.
"""

from __future__ import annotations

import asyncio
import datetime
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chaincode.access.calls import Authorize, ReadPairLog
from chaincode.access.model import Reason
from chaincode.consent.calls import Opening, OpenPairs, PublishTerms, TermsUpdate
from chaincode.encoding import encode
from chaincode.errors import NotFoundError
from chaincode.policy.calls import SetPolicy
from chaincode.policy.model import Policy
from exchange import devnet
from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import ClockWrongError, RefusedError
from exchange.ledger.fabric.gateway import proposal
from exchange.ledger.fabric.gateway.blocks import open_blocks
from exchange.ledger.fabric.gateway.client import GatewayClient
from exchange.ledger.fabric.gateway.connection import Profile, connect
from exchange.ledger.fabric.gateway.errors import (
    CallError,
    CommitError,
    EndorsedTransaction,
    EndorseError,
    EvaluateError,
    EventsError,
    GatewayError,
    SubmitError,
)
from exchange.ledger.fabric.gateway.events import Follower
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from exchange.ledger.fabric.gateway.retries import Advice, advise
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from tests.support.channel_writes import valid_writes
from tests.support.network.channel_forger import Call, Forger, identity, verified
from tests.support.network.chaos_gateway import RECIPIENT, ask, terms

pytestmark = pytest.mark.fabric

MEMBERS = ("Hospital1MSP", "Hospital2MSP", "Hospital3MSP")
MINUTE = 60 * 10**9
A_MINUTE, AN_HOUR = datetime.timedelta(minutes=1), datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def consortium(
    programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[devnet.Network]:
    with devnet.up(tmp_path_factory.mktemp("credentials") / "network", programs=programs) as running:
        asyncio.run(found(running.profile("Hospital1")))
        yield running
        asyncio.run(sound(running))


async def found(profile: Profile) -> None:
    ledger = LedgerClient(FabricTransactions.open(profile))
    await ledger.found_policy(Policy(version=1, members=MEMBERS, rules=()))
    await ledger.close()


async def sound(running: devnet.Network) -> None:
    """Verify the channel after all attempts."""
    async with open_blocks(running.profile("Hospital1")) as source:
        blocks = [block async for block in source.blocks(0, await source.height())]
    report = await asyncio.to_thread(verified, blocks)
    assert report.finding is None


@pytest.fixture
def theirs(consortium: devnet.Network, clients_of: Callable[..., Any]) -> Any:
    """Clients of everybody on the network."""
    return clients_of(consortium)


@pytest.fixture
def keys(consortium: devnet.Network) -> Forger:
    """Every key there is; a test says whose it uses."""
    return Forger(consortium, [])


@pytest.fixture
async def victim(consortium: devnet.Network) -> AsyncIterator[LedgerClient]:
    ledger = LedgerClient(FabricTransactions.open(consortium.profile("Hospital1")))
    yield ledger
    await ledger.close()


@pytest.fixture
async def pair(victim: LedgerClient) -> str:
    name = secrets.token_hex(16)
    await victim.open_pairs([Opening(name, RECIPIENT, "patient", (terms(1, permits=True),))])
    return name


@asynccontextmanager
async def unwritten(running: devnet.Network, pair: str) -> AsyncIterator[None]:
    """Check that nothing about a pair of Hospital 1 changes, whatever is done inside."""

    async def about() -> list[tuple[str, bytes]]:
        await barrier(running)
        written = await valid_writes(running.profile("Hospital1"))
        return [
            (one.tx, value)
            for one in written
            for key, value in one.writes
            if {pair.encode(), b"Hospital1MSP"} <= set(key.split(b"\0"))
        ]

    before = await about()
    yield
    assert await about() == before


async def barrier(running: devnet.Network) -> None:
    """Let a transaction pass behind everything that was sent before."""
    ledger = LedgerClient(FabricTransactions.open(running.profile("Hospital1")))
    await ledger.authorize([ask(secrets.token_hex(16))])
    await ledger.close()


def permitting(pair: str) -> bytes:
    return encode(Authorize((ask(pair).request,)))


def denied(pair: str) -> bytes:
    return encode(Authorize((ask(pair, purpose="HRESCH").request,)))


def filing(pair: str, version: int, *, permits: bool) -> bytes:
    return encode(PublishTerms((TermsUpdate(pair, terms(version, permits=permits)),)))


# -- another member, with identities of its own ---------------------------------


@pytest.fixture(params=["User1", "Admin"])
async def thief(consortium: devnet.Network, request: pytest.FixtureRequest) -> AsyncIterator[LedgerClient]:
    ledger = LedgerClient(FabricTransactions.open(consortium.profile("Hospital3", user=request.param)))
    yield ledger
    await ledger.close()


async def test_another_member_is_permitted_nothing_on_our_pair_and_leaves_a_trace(
    consortium: devnet.Network, victim: LedgerClient, thief: LedgerClient, pair: str
) -> None:
    done = await thief.authorize([ask(pair)])
    assert done.permit is None
    assert [entry.decision.reason for entry in done.entries] == [Reason.PAIR_NOT_OPEN]
    await barrier(consortium)  # the own peer may have it a moment later than the thief's
    (record,) = (await victim.pair_log(pair, custodian="Hospital3MSP")).entries
    assert (record.custodian, record.outcome, record.tx) == ("Hospital3MSP", "deny", done.tx_id)


async def test_another_member_changes_and_opens_nothing_of_ours(
    consortium: devnet.Network, victim: LedgerClient, thief: LedgerClient, pair: str
) -> None:
    async with unwritten(consortium, pair):
        with pytest.raises(RefusedError) as refused:
            await thief.publish_terms([(pair, terms(2, permits=False))])
        assert isinstance(refused.value.reason, NotFoundError)
        await thief.open_pairs([Opening(pair, RECIPIENT, "patient", ())])  # its own, of the same name
    assert (await victim.authorize([ask(pair)])).permit


async def test_nobody_founds_the_consortium_again(thief: LedgerClient) -> None:
    with pytest.raises(RefusedError):
        await thief.found_policy(Policy(version=1, members=("Hospital3MSP",), rules=()))


# -- certificates -----------------------------------------------------------------


def issued(
    authority: Path, *, end: datetime.timedelta = AN_HOUR, unit: str = "client", forged: bool = False
) -> SigningIdentity:
    """Return a user's certificate from Hospital 1's CA, or from one that only bears its name.

    It begins with the CA's, some minutes ago: Fabric looks whether the CA was valid by then, too.
    """
    (certificate,) = authority.glob("*-cert.pem")
    (key,) = authority.glob("*_sk")
    issuer = x509.load_pem_x509_certificate(certificate.read_bytes())
    signer: Any = serialization.load_pem_private_key(key.read_bytes(), None)
    if forged:
        signer = ec.generate_private_key(ec.SECP256R1())
    own, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    names = [x509.NameAttribute(NameOID.COMMON_NAME, "User9")]
    names += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(issuer.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(now + end)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    pem = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SigningIdentity.from_pem("Hospital1MSP", made.public_bytes(serialization.Encoding.PEM), pem)


CERTIFICATES = {
    "expired": {"end": -A_MINUTE},
    "of a CA with the right name and another key": {"forged": True},
    "of nobody's role": {"unit": ""},
    "of a role that does not exist": {"unit": "doctor"},
}


def authority(running: devnet.Network) -> Path:
    return running.folder.organisation(running.topology.organisation("Hospital1")) / "ca"


async def test_certificate_that_is_as_it_should_be_works(
    consortium: devnet.Network, theirs: Any, pair: str
) -> None:
    """The base of comparison for the refusals of the others: each differs from this one in one thing."""
    good = theirs.gateway(identity=issued(authority(consortium)))
    done = await good.submit("access:authorize", permitting(pair))
    assert b'"permit"' in done.result


@pytest.mark.parametrize("wrong", CERTIFICATES)
async def test_wrong_certificate_writes_and_reads_nothing(
    consortium: devnet.Network, theirs: Any, pair: str, wrong: str
) -> None:
    options: dict[str, Any] = CERTIFICATES[wrong]
    bad = issued(authority(consortium), **options)
    gateway: GatewayClient = theirs.gateway(identity=bad)
    began = time.monotonic()
    async with unwritten(consortium, pair):
        for call, error in (
            (gateway.evaluate("access:trail", encode(ReadPairLog(pair))), EvaluateError),
            (gateway.submit("access:authorize", permitting(pair)), EndorseError),
            (gateway.submit("consent:file", filing(pair, 2, permits=False)), EndorseError),
        ):
            with pytest.raises(CallError) as refused:
                await call
            assert isinstance(refused.value, error)
            assert refused.value.refusal is None, "it came as far as the contract"
            assert advise(refused.value) is Advice.GIVE_UP, refused.value
    async with following(consortium.profile("Hospital1"), bad) as follower:
        with pytest.raises(EventsError):
            await anext(follower.blocks(0))
        if wrong == "expired":
            # Fabric 3.1 looks at the date everywhere but here: it takes a revocation list to end this.
            assert await anext(follower.chaincode_events("consentry", None))
        else:
            with pytest.raises(EventsError):
                await anext(follower.chaincode_events("consentry", None))
    assert time.monotonic() - began < 10


@asynccontextmanager
async def following(profile: Profile, identity: SigningIdentity) -> AsyncIterator[Follower]:
    channel = connect(profile)
    try:
        yield Follower(channel, identity, profile.channel)
    finally:
        await channel.close()


async def test_wrong_certificate_can_not_send_what_another_had_endorsed(
    consortium: devnet.Network, theirs: Any, pair: str
) -> None:
    """The thief saw an endorsed transaction on the way, and sends it as one of an expired identity."""
    endorsed = await theirs.gateway().endorse("consent:file", filing(pair, 2, permits=False))
    bad = issued(authority(consortium), end=-A_MINUTE)
    async with unwritten(consortium, pair):
        with pytest.raises(GatewayError):
            await theirs.gateway(identity=bad).settle(await relabelled(endorsed, bad, bad))


# -- a caller who is somebody else --------------------------------------------------


async def relabelled(
    endorsed: EndorsedTransaction, creator: SigningIdentity, signer: SigningIdentity
) -> EndorsedTransaction:
    """Return an endorsed transaction in the name of `creator`, signed by `signer`."""

    def change() -> bytes:
        call = Call(endorsed.envelope, 0)
        call.creator = SimpleNamespace(creator=creator.creator, sign=signer.sign)  # type: ignore[assignment]
        return call.raw()

    raw = await asyncio.to_thread(change)
    return msgspec.structs.replace(endorsed, envelope=raw, tx_id=Call(raw, 0).channel.tx_id)


async def test_gateway_can_not_call_in_the_name_of_another(
    consortium: devnet.Network, theirs: Any, keys: Forger, pair: str
) -> None:
    """Hospital 3's key under Hospital 1's certificate, at each of the peers."""
    one, three = keys.users[0], keys.users[2]
    forged = SigningIdentity(
        "Hospital1MSP", consortium.profile("Hospital1").certificate.read_bytes(), three.sign
    )
    assert forged.creator == one.creator
    async with unwritten(consortium, pair):
        for number in (1, 2, 3):
            gateway = theirs.gateway(consortium.profile(f"Hospital{number}"), identity=forged)
            with pytest.raises(EndorseError) as refused:
                await gateway.submit("consent:file", filing(pair, 2, permits=False))
            assert refused.value.refusal is None
            with pytest.raises(EvaluateError):
                await gateway.evaluate("access:trail", encode(ReadPairLog(pair)))


async def test_endorsed_transaction_of_one_caller_is_none_of_another(
    consortium: devnet.Network, theirs: Any, keys: Forger, pair: str
) -> None:
    """A denial of Hospital 3's can't be passed off as Hospital 1's own, nor the other way round."""
    one, three = keys.users[0], keys.users[2]
    foreign = theirs.gateway(consortium.profile("Hospital3"))
    own = theirs.gateway()
    of_three = await foreign.endorse("access:authorize", permitting(pair))
    of_one = await own.endorse("consent:file", filing(pair, 2, permits=False))
    async with unwritten(consortium, pair):
        for endorsed, creator, signer in (
            (of_three, one, three),  # the orderer sees that it is not Hospital 1's signature
            (of_one, one, three),
            (of_one, three, three),  # the peers see that another one's call was endorsed
        ):
            with pytest.raises((SubmitError, CommitError)):
                await foreign.settle(await relabelled(endorsed, creator, signer))


# -- one organisation's endorsement ---------------------------------------------


@pytest.mark.parametrize("function", ["access:authorize", "consent:file", "consent:open", "policy:propose"])
async def test_endorsement_of_one_organisation_writes_nothing(
    consortium: devnet.Network, theirs: Any, victim: LedgerClient, pair: str, function: str
) -> None:
    arguments = {
        "access:authorize": permitting(pair),
        "consent:file": filing(pair, 2, permits=False),
        "consent:open": encode(
            OpenPairs((Opening(fresh := secrets.token_hex(16), RECIPIENT, "patient", ()),))
        ),
        "policy:propose": encode(SetPolicy(Policy(version=2, members=MEMBERS[:1], rules=()))),
    }
    gateway: GatewayClient = theirs.gateway()
    async with unwritten(consortium, pair):
        with pytest.raises(CommitError) as void:
            await gateway.submit(function, arguments[function], organisations=MEMBERS[:1])
        assert void.value.code == "ENDORSEMENT_POLICY_FAILURE"
    assert await victim.read_pair(fresh) is None
    assert (await victim.read_policy()).proposals == {}


def permitted_instead(call: Call) -> None:
    """Make a denial a permit, everywhere it says so."""

    def flip(value: bytes) -> bytes:
        return value.replace(b'"outcome":"deny"', b'"outcome":"permit"')

    def change(state: Any) -> None:
        for write in state.writes:
            write.value = flip(write.value)

    call.change_state(change)
    call.action.response.payload = flip(call.action.response.payload)
    call.action.events = b""  # its length prefix would have to fit; a permit counts without an event too


async def forged(
    endorsed: EndorsedTransaction, creator: SigningIdentity, endorsers: list[SigningIdentity] | None
) -> EndorsedTransaction:
    def change() -> bytes:
        call = Call(endorsed.envelope, 0)
        before = call.state().SerializeToString()
        permitted_instead(call)
        assert call.state().SerializeToString() != before
        call.creator, call.endorsers = creator, endorsers
        raw = call.raw()
        if endorsers is None:  # the old endorsements stand under the new content
            again = Call(raw, 0)
            again.body.action.proposal_response_payload = call.response.SerializeToString()
            again.creator = creator
            raw = again.raw()
        return raw

    return msgspec.structs.replace(endorsed, envelope=await asyncio.to_thread(change))


@pytest.mark.parametrize("whose", ["nobody", "its own peer", "its own peer twice", "its administrator"])
async def test_hospital_with_all_its_own_keys_writes_no_permit(
    consortium: devnet.Network, theirs: Any, keys: Forger, pair: str, whose: str
) -> None:
    """A majority endorses a denial; it is made a permit, and endorsed again with what one hospital has."""
    profile = consortium.profile("Hospital1")
    administrator = consortium.folder.user(consortium.topology.organisation("Hospital1"), "Admin")
    endorsers = {
        "nobody": None,
        "its own peer": [keys.peers[0]],
        "its own peer twice": [keys.peers[0], keys.peers[0]],
        "its administrator": [keys.peers[0], identity("Hospital1MSP", administrator)],
    }
    gateway: GatewayClient = theirs.gateway(profile)
    endorsed = await gateway.endorse("access:authorize", denied(pair))
    assert b'"deny"' in endorsed.result
    async with unwritten(consortium, pair):
        with pytest.raises(CommitError) as void:
            await gateway.settle(await forged(endorsed, keys.users[0], endorsers[whose]))
        assert void.value.code == "ENDORSEMENT_POLICY_FAILURE"


async def test_two_hospitals_together_can_and_the_verifier_tells(
    programs: devnet.Programs, clients_of: Callable[..., Any], tmp_path: Path
) -> None:
    """The endorsement policy leaves this to a majority; replaying the contracts still finds it."""
    with await asyncio.to_thread(devnet.up, tmp_path / "network", programs=programs) as running:
        await found(running.profile("Hospital1"))
        gateway: GatewayClient = clients_of(running).gateway()
        keys = await asyncio.to_thread(Forger, running, [])
        opened = OpenPairs((Opening(name := secrets.token_hex(16), RECIPIENT, "patient", ()),))
        await gateway.submit("consent:open", encode(opened))
        endorsed = await gateway.endorse("access:authorize", denied(name))
        await gateway.settle(await forged(endorsed, keys.users[0], keys.peers[:2]))
        async with open_blocks(running.profile("Hospital1")) as source:
            blocks = [block async for block in source.blocks(0, await source.height())]
        report = await asyncio.to_thread(verified, blocks)
        assert report.finding is not None
        assert endorsed.tx_id in str(report.finding)


# -- the clock --------------------------------------------------------------------


@pytest.fixture
def shifted(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the client's clock off by so many minutes."""

    def shift(minutes: float) -> None:
        clock = SimpleNamespace(time_ns=lambda: time.time_ns() + round(minutes * MINUTE))
        monkeypatch.setattr(proposal, "time", clock)

    return shift


@pytest.mark.parametrize("minutes", [-14, -5.5, 5.5, 14])
async def test_proposal_of_another_time_is_refused_by_every_function(
    consortium: devnet.Network, victim: LedgerClient, pair: str, shifted: Any, minutes: float
) -> None:
    async with unwritten_outside(consortium, pair, shifted, minutes):
        for call in (
            victim.authorize([ask(pair)]),
            victim.publish_terms([(pair, terms(2, permits=False))]),
            victim.open_pairs([Opening(secrets.token_hex(16), RECIPIENT, "patient", ())]),
            victim.propose_policy(Policy(version=2, members=MEMBERS, rules=())),
            victim.pair_log(pair),
        ):
            with pytest.raises(ClockWrongError):
                await call


@asynccontextmanager
async def unwritten_outside(
    running: devnet.Network, pair: str, shifted: Any, minutes: float
) -> AsyncIterator[None]:
    """Do as `unwritten`, with the client's clock off inside alone."""
    async with unwritten(running, pair):
        shifted(minutes)
        try:
            yield
        finally:
            shifted(0)


@pytest.mark.parametrize("minutes", [-100_000, -16, 16, 100_000])
async def test_proposal_of_a_time_far_away_is_refused_by_the_peer_at_once_and_named(
    consortium: devnet.Network, victim: LedgerClient, pair: str, shifted: Any, minutes: float
) -> None:
    """Beyond a quarter of an hour the peer does not ask the chaincode; the operator has to set a clock."""
    began = time.monotonic()
    async with unwritten_outside(consortium, pair, shifted, minutes):
        for call in (victim.authorize([ask(pair)]), victim.read_pair(pair)):
            with pytest.raises(UnavailableError, match="clock"):
                await call
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("minutes", [-4.5, 4.5])
async def test_clocks_may_differ_a_little(
    victim: LedgerClient, pair: str, shifted: Any, minutes: float
) -> None:
    shifted(minutes)
    done = await victim.authorize([ask(pair)])
    assert done.permit
    assert abs(done.time - time.time_ns() / 1e6 - minutes * 60_000) < 30_000


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_time_can_not_be_changed_once_endorsers_have_seen_it(
    consortium: devnet.Network, theirs: Any, keys: Forger, pair: str, minutes: int
) -> None:
    gateway: GatewayClient = theirs.gateway()
    endorsed = await gateway.endorse("access:authorize", permitting(pair))

    def change() -> bytes:
        call = Call(endorsed.envelope, 0)
        call.channel.timestamp.FromMilliseconds(endorsed.time + minutes * 60_000)
        call.creator = keys.users[0]
        return call.raw()

    backdated = msgspec.structs.replace(endorsed, envelope=await asyncio.to_thread(change))
    async with unwritten(consortium, pair):
        with pytest.raises((SubmitError, CommitError)):
            await gateway.settle(backdated)
    again = await gateway.endorse("access:authorize", permitting(pair))
    assert (await gateway.settle(again)).tx_id == again.tx_id
