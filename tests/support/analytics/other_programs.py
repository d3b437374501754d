"""Models with the trees of one program and the numbers of another."""

from __future__ import annotations

from analytics.encrypted.framing import Frame


def with_other_constant(frame: Frame) -> Frame:
    """Return a MODEL whose programs add another constant: every score of it is another."""
    programs = [one | {"constant": (one["constant"] + 1000) % 100_000} for one in frame.header["programs"]]
    return Frame(frame.kind, frame.header | {"programs": programs}, frame.sections)
