"""The signer of a proposal: the organisation of its certificate, and the attributes that its CA wrote."""

from __future__ import annotations

import msgspec


class Caller(msgspec.Struct, frozen=True):
    """An MSP identity as a contract sees it.

    `msp_id` names the organisation; `subject` is the certificate's subject (empty for the embedded
    ledger, where the node itself is the only caller); `attributes` are those that a Fabric CA wrote.
    """

    msp_id: str
    subject: str = ""
    attributes: dict[str, str] = {}
