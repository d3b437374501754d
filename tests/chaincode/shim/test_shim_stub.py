"""A contract's questions and writes, against a peer of Fabric 3.1 and against an older one."""

from __future__ import annotations

import datetime
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fabric_protos.common.policies_pb2 import SignaturePolicyEnvelope
from fabric_protos.ledger.queryresult.kv_query_result_pb2 import KeyModification
from fabric_protos.msp.msp_principal_pb2 import MSPRole
from fabric_protos.peer import chaincode_shim_pb2 as shim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaincode.encoding import composite_key, prefix_range
from chaincode.shim.endorsement import all_of
from chaincode.shim.queries import Modification

M = shim.ChaincodeMessage
OLD = {"writes_offered": 0, "reads_offered": 0}
KINDS = pytest.mark.parametrize("offer", [{}, OLD], ids=["3.1", "older"])


def kinds(peer):
    return [M.Type.Name(message.type) for message in peer.asked]


@KINDS
async def test_many_reads_keep_their_order_and_tell_absence(bench, offer):
    async def contract(stub, function, argument):
        values = await stub.get_many([f"k{number}" for number in range(5)])
        return json.dumps([None if value is None else value.decode() for value in values]).encode()

    peer = await bench.peer(contract, **offer)
    peer.state = {("", "k1"): b"one", ("", "k4"): b"four"}
    assert json.loads((await peer.invoke("f")).response.payload) == [None, "one", None, None, "four"]
    assert kinds(peer) == (["GET_STATE"] * 5 if offer else ["GET_STATE_MULTIPLE"])


async def test_reads_and_writes_are_split_as_the_peer_offers(bench):
    async def contract(stub, function, argument):
        await stub.get_many([f"k{number}" for number in range(7)])
        for number in range(10):
            stub.put(f"k{number}", b"v")
        return b""

    peer = await bench.peer(contract, writes_offered=4, reads_offered=3)
    await peer.invoke("f")
    assert kinds(peer) == ["GET_STATE_MULTIPLE"] * 3 + ["WRITE_BATCH_STATE"] * 3
    assert len(peer.state) == 10
    assert peer.violations == []


async def test_no_message_grows_beyond_what_the_stream_takes(bench):
    async def contract(stub, function, argument):
        for number in range(8):
            stub.put(f"k{number}", b"v" * (6 << 20))
        return b""

    peer = await bench.peer(contract)
    assert (await peer.invoke("f")).response.status == 200
    assert len(peer.state) == 8
    assert max(message.ByteSize() for message in peer.asked) < 17 << 20


@KINDS
async def test_all_kinds_of_writes_reach_the_peer(bench, offer):
    async def contract(stub, function, argument):
        stub.put("public", b"1")
        stub.put_private("secrets", "kept", b"2")
        stub.delete_private("secrets", "deleted")
        stub.purge_private("secrets", "purged")
        stub.require("public", all_of(["AMSP"]))
        stub.require("kept", all_of(["BMSP"]), "secrets")
        return b""

    peer = await bench.peer(contract, **offer)
    peer.state = {("secrets", "deleted"): b"x", ("secrets", "purged"): b"x", ("", "deleted"): b"stays"}
    assert (await peer.invoke("f")).response.status == 200
    assert peer.state == {("", "public"): b"1", ("secrets", "kept"): b"2", ("", "deleted"): b"stays"}
    assert peer.policies == {("", "public"): all_of(["AMSP"]), ("secrets", "kept"): all_of(["BMSP"])}
    if offer:
        sent = ["PUT_STATE", "PUT_STATE", "DEL_STATE", "PURGE_PRIVATE_DATA", *["PUT_STATE_METADATA"] * 2]
        assert kinds(peer) == sent
    else:
        assert kinds(peer) == ["WRITE_BATCH_STATE"]


async def test_last_write_of_a_key_counts_and_a_transaction_does_not_see_it(bench):
    async def contract(stub, function, argument):
        stub.put("k", b"first")
        stub.put("k", b"second")
        return await stub.get("k") or b"nothing yet"

    peer = await bench.peer(contract)
    assert (await peer.invoke("f")).response.payload == b"nothing yet"
    assert peer.state == {("", "k"): b"second"}


@pytest.mark.parametrize(("key", "value"), [("", b"v"), ("k", b"")])
async def test_empty_keys_and_values_are_refused(bench, key, value):
    async def contract(stub, function, argument):
        stub.put(key, value)
        return b""

    done = await (await bench.peer(contract)).invoke("f")
    assert done.response.message == "bad-argument: an empty key or value"


async def test_private_reads_name_their_collection(bench):
    async def contract(stub, function, argument):
        page = await stub.range_private("secrets", "a", "c", limit=5)
        return json.dumps(
            [
                (await stub.get_private("secrets", "a") or b"").decode(),
                (await stub.get_private_hash("secrets", "a") or b"").decode(),
                await stub.get_private_hash("secrets", "missing"),
                await stub.get_private("other", "a"),
                [entry.key for entry in page.entries],
            ]
        ).encode()

    peer = await bench.peer(contract)
    peer.state = {("secrets", "a"): b"1", ("secrets", "b"): b"2", ("", "b"): b"3", ("secrets", "c"): b"4"}
    assert json.loads((await peer.invoke("f")).response.payload) == ["1", "hash", None, None, ["a", "b"]]


async def test_key_policy_is_read_back(bench):
    async def contract(stub, function, argument):
        return await stub.required("k") or b"the chaincode's"

    peer = await bench.peer(contract)
    assert (await peer.invoke("f")).response.payload == b"the chaincode's"
    peer.policies["", "k"] = b"its own"
    assert (await peer.invoke("f")).response.payload == b"its own"


def test_key_policy_asks_a_peer_of_every_organisation():
    policy = SignaturePolicyEnvelope.FromString(all_of(["BMSP", "AMSP", "BMSP"]))
    roles = [MSPRole.FromString(identity.principal) for identity in policy.identities]
    assert [role.msp_identifier for role in roles] == ["AMSP", "BMSP"]
    assert {role.role for role in roles} == {MSPRole.PEER}
    assert policy.rule.n_out_of.n == 2
    assert [rule.signed_by for rule in policy.rule.n_out_of.rules] == [0, 1]
    assert all_of(["AMSP", "BMSP"]) == all_of(["BMSP", "AMSP"])
    with pytest.raises(ValueError, match="at least one"):
        all_of([])


# -- ranges and histories -----------------------------------------------------------


async def pages(stub, function, argument):
    asked = json.loads(argument)
    page = await stub.range(asked["start"], asked["end"], limit=asked["limit"], bookmark=asked["bookmark"])
    return json.dumps({"keys": [entry.key for entry in page.entries], "bookmark": page.bookmark}).encode()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.sets(st.text("abcd", min_size=1, max_size=3), max_size=20),
    start=st.text("abcd", max_size=2),
    end=st.text("abcd", max_size=2),
    limit=st.integers(1, 7),
    part=st.integers(1, 5),
)
async def test_pages_cover_a_range_exactly(bench, keys, start, end, limit, part):
    peer = await bench.peer(pages, part=part)
    peer.state = {("", key): b"v" for key in keys} | {("", composite_key("kind", "a")): b"v"}
    seen, bookmark = [], ""
    while True:
        asked = {"start": start, "end": end, "limit": limit, "bookmark": bookmark}
        page = json.loads((await peer.invoke("f", json.dumps(asked).encode())).response.payload)
        assert len(page["keys"]) <= limit
        seen += page["keys"]
        bookmark = page["bookmark"]
        if not bookmark:
            break
        assert len(page["keys"]) == limit
    assert seen == sorted(key for key in keys if start <= key and (not end or key < end))
    assert peer.iterators == {}
    assert peer.violations == []


async def test_composite_keys_are_walked_by_their_prefix(bench):
    async def contract(stub, function, argument):
        page = await stub.range(*prefix_range("note", ("p1",)), limit=10)
        return b",".join(entry.value for entry in page.entries)

    peer = await bench.peer(contract)
    for pair, name in (("p1", "a"), ("p1", "b"), ("p10", "c"), ("p2", "d")):
        peer.state["", composite_key("note", pair, name)] = name.encode()
    assert (await peer.invoke("f")).response.payload == b"a,b"


async def test_iterator_is_closed_when_the_page_is_full_or_the_reader_fails(bench):
    peer = await bench.peer(pages, part=2)
    peer.state = {("", f"{number}"): b"v" for number in range(9)}
    asked = {"start": "", "end": "", "limit": 3, "bookmark": ""}
    await peer.invoke("f", json.dumps(asked).encode())
    assert len(peer.closed) == 1
    assert kinds(peer) == ["GET_STATE_BY_RANGE", "QUERY_STATE_NEXT", "QUERY_STATE_CLOSE"]
    peer.refused.add("QUERY_STATE_NEXT")
    assert (await peer.invoke("f", json.dumps(asked).encode())).response.status == 500
    assert len(peer.closed) == 2


async def test_page_of_nothing_is_refused(bench):
    asked = {"start": "", "end": "", "limit": 0, "bookmark": ""}
    done = await (await bench.peer(pages)).invoke("f", json.dumps(asked).encode())
    assert done.response.message.startswith("bad-argument: ")


async def test_history_has_times_in_milliseconds_and_none_for_deletions(bench):
    seen = []

    async def contract(stub, function, argument):
        seen.extend(await stub.history("k"))
        return b""

    peer = await bench.peer(contract, part=2)
    for number in range(5):
        past = KeyModification(tx_id=f"tx{number}", value=b"v", is_delete=number == 3)
        past.timestamp.FromNanoseconds(1_700_000_000_123_999_999 - number * 10**9)
        peer.past.setdefault("k", []).append(past)
    await peer.invoke("f")
    assert seen == [
        Modification(f"tx{number}", 1_700_000_000_123 - number * 1000, None if number == 3 else b"v")
        for number in range(5)
    ]


# -- the proposal ---------------------------------------------------------------------


def certificate(attributes: bytes | None = None) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "client"),
            x509.NameAttribute(NameOID.COMMON_NAME, "gateway"),
        ]
    )
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if attributes is not None:
        oid = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, attributes), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


async def describe(stub, function, argument):
    caller = stub.caller
    return json.dumps(
        {
            "msp_id": caller.msp_id,
            "subject": caller.subject,
            "attributes": caller.attributes,
            "timestamp": stub.timestamp,
            "transient": {name: value.decode() for name, value in stub.transient.items()},
            "tx_id": stub.tx_id,
        }
    ).encode()


async def test_proposal_tells_caller_time_and_transient_data(bench):
    attributes = json.dumps({"attrs": {"role": "officer", "hf.Affiliation": ""}}).encode()
    done = await (await bench.peer(describe)).invoke(
        "f",
        tx_id="ab" * 32,
        certificate=certificate(attributes),
        msp_id="HospitalMSP",
        nanoseconds=1_700_000_000_123_999_999,
        transient={"proof": b"p"},
    )
    assert json.loads(done.response.payload) == {
        "msp_id": "HospitalMSP",
        "subject": "CN=gateway,OU=client",
        "attributes": {"role": "officer", "hf.Affiliation": ""},
        "timestamp": 1_700_000_000_123,
        "transient": {"proof": "p"},
        "tx_id": "ab" * 32,
    }


@pytest.mark.parametrize(
    "attributes", [None, b"not JSON", b"[]", b'{"attrs": []}', b'{"attrs": {"role": 7}}', b"\xff"]
)
async def test_attributes_that_can_not_be_read_grant_nothing(bench, attributes):
    done = await (await bench.peer(describe)).invoke("f", certificate=certificate(attributes))
    assert json.loads(done.response.payload)["attributes"] == {}


@pytest.mark.parametrize("damage", [{"proposal": b"\xff"}, {"certificate": b"no certificate"}])
async def test_unreadable_proposal_fails_without_detail(bench, damage, caplog):
    done = await (await bench.peer(describe)).invoke("f", **damage)
    assert done.response.status == 500
    assert "ProposalError at " in caplog.text
