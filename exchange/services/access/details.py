"""The sealed detail of an entry, and the sealed words of a search: the parts that the ledger leaves out."""

from __future__ import annotations

import re

import msgspec

from exchange.crypto.documents import open_metadata
from exchange.crypto.keys import SubjectKeys

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """The part of a request that its entry on the ledger leaves out, sealed under the subject's key."""

    client: str
    organization: str
    user: str
    interaction: str
    target: str
    user_name: str = ""
    role: str = ""
    patient: str = ""
    evidence: str = ""
    reason: str = ""


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    client: str
    organization: str
    user: str
    interaction: str
    target: str
    user_name: str
    role: str
    digest: bytes
    evidence: str
    reason: str = ""


_sealed = msgspec.msgpack.Decoder(_Sealed)
_JSON = b"{"


def encode_detail(detail: Detail) -> bytes:
    """Return the bytes of `detail` that are sealed: its fields in order, without the subject's name.

    The subject's keys have the name. Evidence that is a digest stands there as bytes instead of digits.
    """
    is_digest = _DIGEST.fullmatch(detail.evidence) is not None
    return msgspec.msgpack.encode(
        _Sealed(
            client=detail.client,
            organization=detail.organization,
            user=detail.user,
            interaction=detail.interaction,
            target=detail.target,
            user_name=detail.user_name,
            role=detail.role,
            digest=bytes.fromhex(detail.evidence) if is_digest else b"",
            evidence="" if is_digest else detail.evidence,
            reason=detail.reason,
        )
    )


def _decoded(keys: SubjectKeys, data: bytes) -> Detail:
    if data.startswith(_JSON):  # of a release before
        return msgspec.json.decode(data, type=Detail)
    found = _sealed.decode(data)
    return Detail(
        client=found.client,
        organization=found.organization,
        user=found.user,
        interaction=found.interaction,
        target=found.target,
        user_name=found.user_name,
        role=found.role,
        patient=keys.name,
        evidence=found.digest.hex() or found.evidence,
        reason=found.reason,
    )


def detail_label(tx_id: str, n: int) -> bytes:
    """Return the label that binds a sealed detail to its entry."""
    return f"detail/{tx_id}/{n}".encode()


def search_label(tx_id: str, first: int) -> bytes:
    """Return the label that binds a search's words to its entries, which begin with `first`."""
    return f"search/{tx_id}/{first}".encode()


def open_search(directory: SubjectKeys, tx_id: str, first: int, sealed: bytes) -> str:
    """Return the request whose entries in `tx_id` begin with `first`, as it was asked."""
    return open_metadata(directory, search_label(tx_id, first), sealed).decode()


def open_detail(keys: SubjectKeys, tx_id: str, n: int, sealed: bytes) -> Detail:
    """Return the detail that was sealed for entry `n` of `tx_id`."""
    return _decoded(keys, open_metadata(keys, detail_label(tx_id, n), sealed))
