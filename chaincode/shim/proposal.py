"""The client's signed proposal: its caller, its time and its transient data.

The peer has checked the signature and the certificate before it asks a chaincode, so nothing is checked here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

from cryptography import x509
from fabric_protos.common.common_pb2 import ChannelHeader, Header, SignatureHeader
from fabric_protos.msp.identities_pb2 import SerializedIdentity
from fabric_protos.peer.proposal_pb2 import ChaincodeProposalPayload, Proposal
from google.protobuf.message import DecodeError

from chaincode.caller import Caller
from chaincode.shim.errors import ProposalError

_ATTRIBUTES = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")  # where a Fabric CA writes attributes, as JSON
_NO_ATTRIBUTES = (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


class SignedProposal:
    """One proposal; its parts are read when they are asked for.

    Every property raises `ProposalError` when its part can't be read.
    """

    def __init__(self, proposal_bytes: bytes) -> None:
        self._bytes = proposal_bytes

    @cached_property
    def _proposal(self) -> Proposal:
        return _read(Proposal, self._bytes)

    @cached_property
    def _header(self) -> Header:
        return _read(Header, self._proposal.header)

    @cached_property
    def caller(self) -> Caller:
        """Return the signer."""
        return caller_of(_read(SignatureHeader, self._header.signature_header).creator)

    @cached_property
    def timestamp(self) -> int:
        """Return the client's time in milliseconds since 1970 UTC: equal on every endorser."""
        time = _read(ChannelHeader, self._header.channel_header).timestamp
        return int(time.seconds) * 1000 + int(time.nanos) // 1_000_000

    @cached_property
    def transient(self) -> Mapping[str, bytes]:
        """Return the data that endorsers may see and no block holds."""
        return dict(_read(ChaincodeProposalPayload, self._proposal.payload).TransientMap)


def _read(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError:
        raise ProposalError(f"the proposal's {kind.__name__} can't be read") from None


@lru_cache(maxsize=256)  # a channel has few callers, and reading a certificate costs more than a contract
def caller_of(creator: bytes) -> Caller:
    """Return the caller that a serialised identity names, as contracts see it.

    Raises:
        ProposalError: the identity or its certificate can't be read.
    """
    identity = _read(SerializedIdentity, creator)
    try:
        certificate = x509.load_pem_x509_certificate(identity.id_bytes)
        subject = certificate.subject.rfc4514_string()
    except (ValueError, TypeError, x509.InvalidVersion):  # TypeError: a name with a value that is not text
        raise ProposalError("the caller's certificate can't be read") from None
    return Caller(msp_id=identity.mspid, subject=subject, attributes=_attributes(certificate))


def _attributes(certificate: x509.Certificate) -> dict[str, str]:
    """Return the attributes that the CA vouches for; none if they can't be read."""
    try:
        extension = certificate.extensions.get_extension_for_oid(_ATTRIBUTES).value
        found = json.loads(extension.value)["attrs"]  # type: ignore[attr-defined]  # unrecognised, so raw
    except (*_NO_ATTRIBUTES, ValueError, KeyError, TypeError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, str)}
