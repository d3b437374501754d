"""An update of a channel in words: every change is named, and roots by the digests that openssl gives."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fabric_protos.common.common_pb2 import Block, BlockData, Envelope, Payload
from fabric_protos.common.configtx_pb2 import Config, ConfigEnvelope, ConfigGroup
from fabric_protos.msp.msp_config_pb2 import FabricMSPConfig, MSPConfig
from fabric_protos.peer.configuration_pb2 import AnchorPeer, AnchorPeers
from hypothesis import given
from hypothesis import strategies as st

from exchange.ledger.fabric.admin.channel_update import update
from exchange.ledger.fabric.admin.errors import ChannelUpdateError
from exchange.ledger.fabric.admin.show_update import main, show


def root() -> tuple[bytes, str]:
    """Return a certificate in PEM, and its digest."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca.hospital4")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM), made.fingerprint(hashes.SHA256()).hex()


def organisation(msp_id: str, pem: bytes) -> Any:
    group = ConfigGroup(mod_policy="Admins")
    msp = FabricMSPConfig(name=msp_id, root_certs=[pem], tls_root_certs=[pem])
    group.values["MSP"].value = MSPConfig(config=msp.SerializeToString()).SerializeToString()
    anchors = AnchorPeers(anchor_peers=[AnchorPeer(host="peer.hospital4", port=7051)])
    group.values["AnchorPeers"].value = anchors.SerializeToString()
    group.policies["Endorsement"].mod_policy = "Admins"
    return group


def channel(organisations: dict[str, Any]) -> Any:
    group = ConfigGroup()
    application = group.groups["Application"]
    application.policies["Admins"].mod_policy = "Admins"
    for name, one in organisations.items():
        application.groups[name].CopyFrom(one)
    return group


def block(group: Any) -> bytes:
    config = ConfigEnvelope(config=Config(channel_group=group))
    envelope = Envelope(payload=Payload(data=config.SerializeToString()).SerializeToString())
    made: bytes = Block(data=BlockData(data=[envelope.SerializeToString()])).SerializeToString()
    return made


def test_a_newcomer_is_shown_with_its_roots_and_anchor_peers_and_no_other_change() -> None:
    (old, before), (new, digest) = root(), root()
    existing = channel({"One": organisation("OneMSP", old)})
    wanted = channel({"One": organisation("OneMSP", old), "Four": organisation("FourMSP", new)})
    lines = show(update("consentry", existing, wanted), block(existing))
    assert lines[0] == "update of channel consentry"
    assert "channel/Application/Four: added" in lines
    for line in ("MSP id FourMSP", "anchor peer peer.hospital4:7051"):
        assert f"  {line}" in lines
    assert sum(digest in line for line in lines) == 2
    assert not any(before in line or "/One" in line for line in lines)


def test_an_update_alone_is_not_shown_in_part() -> None:
    with pytest.raises(ChannelUpdateError, match="CURRENT"):
        show(update("consentry", channel({}), channel({"Four": organisation("FourMSP", root()[0])})))


def test_a_definition_shows_the_same_digests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pem, digest = root()
    (tmp_path / "definition.block").write_bytes(block(channel({"Four": organisation("FourMSP", pem)})))
    assert main([str(tmp_path / "definition.block")]) == 0
    said = capsys.readouterr().out
    assert said.count(digest) == 2
    assert "MSP id FourMSP" in said


NAMES = st.sampled_from(["Readers", "Writers", "Admins", "MSP", "Capabilities"])
VALUES = st.dictionaries(NAMES, st.integers(0, 2))
ORGANISATIONS = st.dictionaries(st.sampled_from(["One", "Two", "Three"]), VALUES)


@given(ORGANISATIONS, ORGANISATIONS)
def test_every_difference_is_named(old: dict[str, dict[str, int]], new: dict[str, dict[str, int]]) -> None:
    def made(of: dict[str, dict[str, int]]) -> Any:
        group = channel({})
        for name, values in of.items():
            one = group.groups["Application"].groups[name]
            one.mod_policy = "Admins"
            for key, value in values.items():
                one.values[key].value = bytes([value, 255])
        return group

    if old == new:
        return
    lines = show(update("consentry", made(old), made(new)), block(made(old)))
    for name in old.keys() | new.keys():
        place = f"channel/Application/{name}"
        if name not in old:
            assert f"{place}: added" in lines
        elif name not in new:
            assert f"{place}: removed" in lines
        else:
            for key in old[name].keys() | new[name].keys():
                named = any(line.startswith(place) and line.endswith(f"value {key}") for line in lines)
                assert named == (old[name].get(key) != new[name].get(key))


@pytest.mark.parametrize("content", [b"", b"nothing", bytes(100), b"\xff" * 100])
def test_other_files_are_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ChannelUpdateError):
        show(content)
    assert main([str(tmp_path / "file")]) == 1
    assert main([str(tmp_path / "missing")]) == 1
    assert main([]) == 2
    assert capsys.readouterr().err.count("error: ") == 3
