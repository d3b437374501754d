"""The labels of a node's keys never change: what an older release named and sealed is found and opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.auth.clients import Client
from exchange.node.keys import NodeKeys
from exchange.vault.file import FileVault, create_vault

CURSOR = "G0RbBSgpNTCoO9eoBsSS-hQV4CGNITvdKTdp-XgqEPqiSUTQ04ii"
MAC = "add61f5953bc1abdcb24f9054d370b9d6dd49112bb0f7bfd04e0a32a00ef039c"
WRAPPED = (
    "000000019f27f026b9c2d335f03ca65cf6b0020a96f99091c0c29ad1ff3a00e9c3b1f1448b2487804a2f41850f0ffa6d"
    "3d0601082702a21edc5b154f9b9fd2a4940920ecc638c06d2a43d9ed962a2713b35f8736f569399ab89b05b28d66f7f5"
    "9e"
)


@pytest.fixture
def keys(tmp_path: Path) -> NodeKeys:
    path = tmp_path / "root.key"
    create_vault(path)
    path.write_bytes(bytes(range(32)))
    path.with_name("epoch-1.key").write_bytes(bytes(range(32, 64)))
    return NodeKeys(FileVault(path))


def test_names_towards_the_database_stay_the_same(keys: NodeKeys) -> None:
    assert keys.references.record("Patient", "p").hex() == "fef49d32933b85c3150f7516845699cb"
    assert keys.references.directory.hex() == "13ad0d10889de159e67a5ccd37e15652"
    token = keys.search_tokens.token("Observation", "code", "8867-4")
    assert token.hex() == "17426ee651e7137cc35101021b4f1774"


def test_what_was_vouched_for_and_sealed_before_holds(keys: NodeKeys) -> None:
    key = {"kty": "EC", "kid": "k", "alg": "ES384"}
    client = Client("lab", "Lab", "HospitalBMSP", (key,), ("system/*.rs",), 1)
    assert keys.operator_seal.mac(client).hex() == MAC
    assert keys.cursors.open(CURSOR, dict[str, int], client="lake") == {"after": 7}


def test_the_fingerprint_of_a_root_key_stays_the_same(keys: NodeKeys) -> None:
    assert keys.fingerprint.hex() == "b783e575662b26530043"


def test_a_subjects_wrapped_keys_open(keys: NodeKeys) -> None:
    subject = keys.ring.open(keys.references.subject("p"), bytes.fromhex(WRAPPED))
    assert subject.name == "p"
    assert subject.data.hex() == "d9385b2711ef0ac3458833a1226ca7b2eb6f67f8ed2132913e56675a550aa64f"
    assert subject.secret.hex() == "f4f6092c22e1a70be1cfc882ae43c699e4d8badc2cb9b54c9975c95db3908f59"


def test_each_part_is_made_once(keys: NodeKeys) -> None:
    assert keys.ring is keys.ring
    assert keys.references is keys.references
