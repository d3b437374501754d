"""Whether a peer knows enough neighbours to have a transaction endorsed.

Peers meet by gossip, a moment after they started. Until then a gateway finds no set of endorsers that
satisfies the chaincode's policy; the peer's own discovery service tells when it does.
"""

from __future__ import annotations

import asyncio

import grpc
from fabric_protos.discovery.protocol_pb2 import (
    AuthInfo,
    ChaincodeQuery,
    Query,
    Request,
    Response,
    SignedRequest,
)
from fabric_protos.discovery.protocol_pb2_grpc import DiscoveryStub
from fabric_protos.peer.proposal_response_pb2 import ChaincodeCall, ChaincodeInterest

from exchange.ledger.gateway.connection import Profile, connect
from exchange.ledger.gateway.identity import Identity

_PAUSE = 0.05


async def can_endorse(profile: Profile, *, seconds: float) -> bool:
    """Wait until the profile's peer can name endorsers for its chaincode; False if `seconds` pass first."""
    identity = Identity.from_files(profile.msp_id, profile.certificate, profile.key)
    interest = ChaincodeInterest(chaincodes=[ChaincodeCall(name=profile.chaincode)])
    request = Request(
        authentication=AuthInfo(client_identity=identity.creator),
        queries=[Query(channel=profile.channel, cc_query=ChaincodeQuery(interests=[interest]))],
    ).SerializeToString()
    signed = SignedRequest(payload=request, signature=await identity.sign(request))
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    async with connect(profile) as channel:
        discovery = DiscoveryStub(channel)
        while clock() < end:
            if _names_endorsers(await _ask(discovery, signed)):
                return True
            await asyncio.sleep(_PAUSE)
    return False


async def _ask(discovery: DiscoveryStub, signed: SignedRequest) -> Response | None:
    try:
        return await discovery.Discover(signed, timeout=5)
    except grpc.aio.AioRpcError:
        return None  # the peer is starting


def _names_endorsers(response: Response | None) -> bool:
    if response is None or len(response.results) != 1:
        return False
    return bool(response.results[0].cc_query_res.content)
