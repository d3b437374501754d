"""The bytes of a record: set `id` and `meta` and leave every other byte as it was received.

A round trip through a model changes decimals and timestamps and breaks digests and signatures, so the
members of the top-level object are carried over as raw bytes.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from exchange.errors import BadRequestError

_Members = dict[str, msgspec.Raw]
_decoder = msgspec.json.Decoder(_Members)
_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=64)  # records written together have one time
def instant(milliseconds: int) -> str:
    """Format `milliseconds` since 1970 UTC as a FHIR instant, such as `2026-01-31T08:15:30.250Z`."""
    moment = datetime.datetime.fromtimestamp(milliseconds // 1000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def _members(body: bytes | msgspec.Raw) -> _Members:
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        raise BadRequestError("the body is not a JSON object") from None


def with_identity(body: bytes, *, logical_id: str, version: int, written: int) -> bytes:
    """Return `body` with `id`, `meta.versionId` and `meta.lastUpdated` set; all else byte for byte.

    `written` is in milliseconds since 1970 UTC.
    """
    members = _members(body)
    meta = members.pop("meta", None)
    inner: dict[str, object] = {**_members(meta)} if meta is not None else {}
    inner["versionId"] = str(version)
    inner["lastUpdated"] = instant(written)
    members.pop("id", None)
    return _encode({"resourceType": members.pop("resourceType"), "id": logical_id, "meta": inner, **members})


def with_labels(body: bytes, labels: Sequence[Mapping[str, Any]]) -> bytes:
    """Return `body` with those of `labels`, security labels, that it lacks; the same bytes if it has all.

    A label is the same whatever its display and the version of its system.
    """
    members = _members(body)
    inner = _members(members.get("meta", b"{}"))
    own = msgspec.json.decode(inner.get("security", b"[]"), type=list[msgspec.Raw])
    known = {_label(msgspec.json.decode(one)) for one in own}
    lacking = [label for label in labels if _label(label) not in known]
    if not lacking:
        return body
    inner["security"] = msgspec.Raw(_encode([*own, *lacking]))
    return _encode({**members, "meta": inner})


def _label(coding: Mapping[str, Any]) -> tuple[str, str, str]:
    code = str(coding.get("code", ""))
    return str(coding.get("system", "")), code, "" if code else str(coding.get("display", ""))


def without_meta(body: bytes, dropped: Mapping[str, Any]) -> bytes:
    """Return `body` without those of its profiles, security labels and tags that the Meta `dropped` has.

    The bytes are the same if it has none of them.
    """
    members = _members(body)
    inner = _members(members.get("meta", b"{}"))
    changed = False
    for name in ("profile", "security", "tag"):
        given = {_meta_item(one) for one in dropped.get(name, ())}
        own = msgspec.json.decode(inner.get(name, b"[]"), type=list[Any])
        left = [one for one in own if _meta_item(one) not in given]
        if len(left) < len(own):
            changed = True
            inner.pop(name)
            if left:
                inner[name] = msgspec.Raw(_encode(left))
    return _encode({**members, "meta": inner}) if changed else body


def _meta_item(one: Any) -> object:
    return _label(one) if isinstance(one, dict) else one


def meta_of(body: bytes) -> msgspec.Raw:
    """Return the Meta of a stored resource."""
    return _members(body)["meta"]


def with_extension(body: bytes, url: str, code: str) -> bytes:
    """Return `body` with the one extension `url` of the value `code`, whatever it said of that before."""
    members = _members(body)
    stated = msgspec.json.decode(members.get("extension", b"[]"), type=list[msgspec.Raw])
    kept = [one for one in stated if msgspec.json.decode(one).get("url") != url]
    kept.append(msgspec.Raw(_encode({"url": url, "valueCode": code})))
    return _encode({**members, "extension": kept})


def pick(body: bytes, keep: Callable[[str], bool]) -> bytes:
    """Return `body` with only the top-level members that `keep` accepts, tagged SUBSETTED in `meta.tag`."""
    members = {name: raw for name, raw in _members(body).items() if keep(name)}
    meta = members.get("meta")
    inner: _Members = _members(meta) if meta is not None else {}
    tags = msgspec.json.decode(inner["tag"], type=list[msgspec.Raw]) if "tag" in inner else []
    tags.append(msgspec.Raw(_SUBSETTED))
    inner["tag"] = msgspec.Raw(_encode(tags))
    members["meta"] = msgspec.Raw(_encode(inner))
    return _encode(members)


OBSERVATION_VALUES = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
"""The code system of the tag SUBSETTED."""
_SUBSETTED = _encode(
    {"system": OBSERVATION_VALUES, "code": "SUBSETTED", "display": "Resource encoded in summary mode"}
)
