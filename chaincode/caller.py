"""Who signed the proposal: the organisation a certificate belongs to, and what its CA says of it."""

from __future__ import annotations

import msgspec


class Caller(msgspec.Struct, frozen=True):
    """An MSP identity as a contract sees it.

    `msp_id` names the organisation; `subject` is the certificate's subject (empty for the embedded
    ledger, where the node itself is the only caller); `attributes` are those a Fabric CA wrote.
    """

    msp_id: str
    subject: str = ""
    attributes: dict[str, str] = {}
