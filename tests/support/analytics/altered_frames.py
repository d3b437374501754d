"""Frames as an attacker sends them: altered, with a digest that fits again."""

from __future__ import annotations

from typing import Any

from analytics.encrypted.framing import Frame


def reframed(frame: Frame, **changes: Any) -> bytes:
    """Return the frame with another kind, header or sections, and a digest that fits."""
    header = {**frame.header, **changes.pop("header", {})}
    return Frame(changes.get("kind", frame.kind), header, changes.get("sections", frame.sections)).data
