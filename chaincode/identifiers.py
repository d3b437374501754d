"""The shapes of identifiers, so that no free text and no FHIR id reaches the ledger by mistake.

Pseudonyms, digests and evidence are lower-case hexadecimal; organisations are MSP ids; purposes,
actions and classes are plain codes. A value of another shape refuses the call.
"""

from __future__ import annotations

import re

from chaincode.errors import BadArgumentError

PAIR = re.compile(r"[0-9a-f]{32}")
"""A pair pseudonym: 128 bits."""

OPAQUE = re.compile(r"[0-9a-f]{16,64}")
"""A pseudonym that holds within one pair: of a consent, a user or a person."""

KNOWN_AS = re.compile(r"[a-z][a-z0-9-]{0,15}\|[0-9a-f]{16,64}")
"""A person's identifier: its kind, and a pseudonym that holds within one pair."""

NODE = re.compile(r"[0-9a-f]{20}")
"""The fingerprint of a gateway's root key: 80 bits."""

DIGEST = re.compile(r"[0-9a-f]{64}")
"""A SHA-256 digest."""

MSP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""An organisation's MSP id."""

CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""A bare code: a purpose, an action, a resource type, a rule's id."""

CODING = re.compile(r"[!-~]{1,256}")
"""`system|code`: printable ASCII without spaces."""


def require(shape: re.Pattern[str], value: str, name: str) -> None:
    """Refuse a value that does not match all of `shape`; the message gives its `name`, never the value.

    Raises:
        BadArgumentError: the value has another shape.
    """
    if shape.fullmatch(value) is None:
        raise BadArgumentError(f"{name} does not have the shape {shape.pattern}")
