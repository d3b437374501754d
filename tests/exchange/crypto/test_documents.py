"""Sealed documents: nothing opens without a fresh Permit for every subject, and no changed input opens."""

from __future__ import annotations

import ast
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.crypto import permit as permits
from exchange.crypto.documents import (
    Envelope,
    PermitError,
    digest,
    is_sound,
    open_document,
    open_metadata,
    seal,
    seal_metadata,
)
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.permit import LIFETIME, Permit
from exchange.errors import DamagedError

ROOT = Path(__file__).parents[3]
REFERENCE = b"r" * 16


def subject(letter: str) -> SubjectKeys:
    raw = letter.encode()
    return SubjectKeys(raw * 16, letter, raw * 32, raw.upper() * 32, (raw + b"!") * 16)


ALICE, BOB = subject("a"), subject("b")


def permit(*subjects: SubjectKeys, until: int | None = None) -> Permit:
    return permits._issue("0" * 64, "LakeMSP", {keys.token: () for keys in subjects}, {}, until)


def sealed(subjects: list[SubjectKeys], body: bytes = b'{"a":1}', version: int = 3) -> Envelope:
    return seal(
        subjects, REFERENCE, version, content_digest=digest(subjects, body), bound=b"written", body=body
    )


@given(st.binary(max_size=2000), st.integers(1, 2**31))
def test_what_was_sealed_opens(body: bytes, version: int) -> None:
    envelope = sealed([ALICE], body, version)
    assert open_document(permit(ALICE), [ALICE], envelope) == body
    assert is_sound([ALICE], envelope)
    assert len(envelope.sealed) == len(body) + 28


def test_the_same_body_never_seals_to_the_same_bytes_and_has_one_digest_a_subject() -> None:
    assert sealed([ALICE]).sealed != sealed([ALICE]).sealed
    assert digest([ALICE], b"x") == digest([ALICE], b"x") != digest([BOB], b"x")


@pytest.mark.parametrize("field", ["reference", "version", "digest", "bound", "sealed"])
def test_an_envelope_with_a_changed_field_does_not_open(field: str) -> None:
    envelope = sealed([ALICE])
    value = getattr(envelope, field)
    if isinstance(value, int):
        changes: list[Any] = [value + 1, value - 1, 0]
    else:
        flips = [value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :] for at in range(len(value))]
        changes = [*flips, value[:-1], value + b"\0", b""]
    for changed in changes:
        other = dataclasses.replace(envelope, **{field: changed})
        with pytest.raises(DamagedError):
            open_document(permit(ALICE), [ALICE], other)
        assert not is_sound([ALICE], other)


def test_no_permit_opens_nothing() -> None:
    envelope = sealed([ALICE])
    for stranger in (None, object(), "permit", True):
        with pytest.raises(PermitError):
            open_document(stranger, [ALICE], envelope)  # type: ignore[arg-type] - the point of the test
    with pytest.raises(TypeError, match="ledger client alone"):
        Permit()
    with pytest.raises(PermitError):
        open_document(permit(), [ALICE], envelope)
    with pytest.raises(PermitError):
        open_document(permit(BOB), [ALICE], envelope)
    with pytest.raises(PermitError):
        open_document(permit(ALICE), [], envelope)


def test_a_stale_permit_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    envelope, held = sealed([ALICE]), permit(ALICE)
    assert open_document(held, [ALICE], envelope)
    now = time.monotonic()
    monkeypatch.setattr(permits.time, "monotonic", lambda: now + LIFETIME + 0.1)
    with pytest.raises(PermitError):
        open_document(held, [ALICE], envelope)


def test_a_permit_ends_when_the_terms_end_that_it_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    held = permit(ALICE, until=int((now + 5) * 1000))
    assert held.covers((ALICE.token,))
    assert not permit(ALICE, until=int(now * 1000) - 1).fresh
    late = permit(ALICE, until=int((now + 3600) * 1000))
    clock = time.monotonic()
    for after, first, second in ((4.0, True, True), (6.0, False, True), (LIFETIME + 1, False, False)):
        monkeypatch.setattr(permits.time, "monotonic", lambda after=after: clock + after)
        assert (held.fresh, late.fresh) == (first, second)


def test_a_document_of_two_patients_needs_both_permissions_and_both_keys() -> None:
    envelope = sealed([ALICE, BOB])
    assert open_document(permit(ALICE, BOB), [BOB, ALICE], envelope) == b'{"a":1}'
    with pytest.raises(PermitError):
        open_document(permit(ALICE), [ALICE, BOB], envelope)
    for keys in ([ALICE], [BOB], [ALICE, subject("c")]):
        with pytest.raises(DamagedError):
            open_document(permit(*keys), keys, envelope)


def test_a_document_of_nobody_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="at least one subject"):
        sealed([])


def test_side_data_open_with_their_own_label_and_key_alone() -> None:
    kept = seal_metadata(ALICE, b"row 1", b"detail")
    assert open_metadata(ALICE, b"row 1", kept) == b"detail"
    for keys, label, data in (
        (BOB, b"row 1", kept), (ALICE, b"row 2", kept), (ALICE, b"row 1", kept[:-1]), (ALICE, b"row 1", b""),
    ):  # fmt: skip
        with pytest.raises(DamagedError):
            open_metadata(keys, label, data)


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "exchange").rglob("*.py")):
        if "node_modules" not in path.parts:
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def _users(name: str) -> list[tuple[str, str]]:
    """Return (module, `import` or `use`) of every place that names `name` outside its definition."""
    found = []
    for module, tree in _modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                found += [(module, "import") for alias in node.names if alias.name == name]
            elif isinstance(node, ast.Name | ast.Attribute):
                named = node.id if isinstance(node, ast.Name) else node.attr
                found += [(module, "use")] if named == name else []
    return found


def test_only_the_ledger_client_takes_the_issuer_of_permits() -> None:
    client = "exchange/ledger/client/access.py"
    assert _users("take_issuer") == [(client, "import"), (client, "use")]
    assert {module for module, _ in _users("_permit_issuer")} == {"exchange/crypto/permit.py"}
    with pytest.raises(RuntimeError, match="has been taken"):
        _take_again()


def _take_again() -> None:
    import exchange.ledger.client  # noqa: F401, PLC0415 - importing it is what takes the issuer

    permits.take_issuer()


def test_documents_are_opened_in_one_place() -> None:
    place = "exchange/services/access/enforcement.py"
    assert _users("open_document") == [(place, "import"), (place, "use")]
    # `is_sound` opens as well, and tells one bit: it belongs to verification.
    assert {module for module, _ in _users("is_sound")} == {"exchange/verify/node.py"}
