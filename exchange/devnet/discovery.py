"""A check that a peer knows enough neighbours to have a transaction endorsed.

Peers meet by gossip, a moment after they started. Until then a gateway finds no set of endorsers that
satisfies the chaincode's policy; the peer's own discovery service shows when it does.
"""

from __future__ import annotations

import asyncio
import time

import grpc
from fabric_protos.discovery.protocol_pb2 import (
    AuthInfo,
    ChaincodeQuery,
    Query,
    Request,
    SignedRequest,
)
from fabric_protos.discovery.protocol_pb2_grpc import DiscoveryStub
from fabric_protos.peer.proposal_response_pb2 import ChaincodeCall, ChaincodeInterest

from exchange.ledger.fabric.gateway.connection import Profile, credentials
from exchange.ledger.fabric.gateway.identity import SigningIdentity

_PAUSE = 0.05


def can_endorse(profile: Profile, *, seconds: float) -> bool:
    """Wait until the profile's peer can name endorsers for its chaincode; False if `seconds` pass first.

    This blocks, and runs in a thread: an event loop of its own for each question would leave gRPC with
    loops that have ended.
    """
    identity = SigningIdentity.from_files(profile.msp_id, profile.certificate, profile.key)
    interest = ChaincodeInterest(chaincodes=[ChaincodeCall(name=profile.chaincode)])
    request = Request(
        authentication=AuthInfo(client_identity=identity.creator),
        queries=[Query(channel=profile.channel, cc_query=ChaincodeQuery(interests=[interest]))],
    ).SerializeToString()
    signed = SignedRequest(payload=request, signature=asyncio.run(identity.sign(request)))
    end = time.monotonic() + seconds
    with grpc.secure_channel(profile.peer, credentials(profile)) as channel:
        discovery = DiscoveryStub(channel)
        while time.monotonic() < end:
            if _names_endorsers(discovery, signed):
                return True
            time.sleep(_PAUSE)
    return False


def _names_endorsers(discovery: DiscoveryStub, signed: SignedRequest) -> bool:
    try:
        results = discovery.Discover(signed, timeout=5).results
    except grpc.RpcError:
        return False  # the peer is starting
    return len(results) == 1 and bool(results[0].cc_query_res.content)
