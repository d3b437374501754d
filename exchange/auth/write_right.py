"""The right to write in a type, as `Permit` is the right to open a document.

Each change that is written carries a `WriteRight`, so a handler without a check can't store. Only
`exchange.services.records.write_rights` can make one: it gets the issuer below when it is imported, and
the issuer is handed out once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

EVERY_TYPE = "*"
"""The `resource_type` of a right to write in all types."""


class WriteRight:
    """The right to write records of `resource_type`; with a `patient`, records of that patient alone."""

    __slots__ = ("patient", "resource_type")

    resource_type: str
    patient: str

    def __init__(self) -> None:
        raise TypeError("a WriteRight comes from exchange.services.records.write_rights alone")

    def covers_type(self, resource_type: str) -> bool:
        """Check whether the right allows to write records of `resource_type`."""
        return self.resource_type in (resource_type, EVERY_TYPE)

    def covers(self, resource_type: str, patients: Sequence[str]) -> bool:
        """Check whether the right allows a record of `resource_type` about exactly these `patients`."""
        return self.covers_type(resource_type) and (not self.patient or tuple(patients) == (self.patient,))


Issuer = Callable[[str, str], WriteRight]


def _issue(resource_type: str, patient: str) -> WriteRight:
    right = object.__new__(WriteRight)
    right.resource_type = resource_type
    right.patient = patient
    return right


_write_right_issuer: list[Issuer] = [_issue]


def take_write_right_issuer() -> Issuer:
    """Hand out the means to make rights, once.

    Raises:
        RuntimeError: the issuer was handed out before.
    """
    if not _write_right_issuer:
        raise RuntimeError("the issuer of write rights has been taken")
    return _write_right_issuer.pop()
