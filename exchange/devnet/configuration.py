"""Configuration of Fabric's programs: key material, the channel's rules, and each process's environment.

`core.yaml` and `orderer.yaml` stay as the release has them; every difference is a variable here, and is
the same in `compose/`.
"""

from __future__ import annotations

import json
from typing import Any

from exchange.devnet.topology import HOST, ORDERER_MSP, NetworkFolder, NetworkOrganisation, Orderer, Topology

PROFILE = "Consortium"
"""The channel's name in configtx.yaml."""

Environment = dict[str, str]


def crypto_config(topology: Topology) -> str:
    """Return cryptogen's input: for each organisation a CA, an administrator and a user; and every node."""
    return json.dumps(
        {
            "OrdererOrgs": [
                {
                    "Name": "Orderer",
                    "Domain": "orderer.example",
                    "EnableNodeOUs": True,
                    "Specs": [_host(orderer.name, orderer.reached) for orderer in topology.orderers],
                }
            ],
            "PeerOrgs": [
                {
                    "Name": organisation.name,
                    "Domain": organisation.domain,
                    "EnableNodeOUs": True,
                    "Specs": [_host("peer", organisation.reached), _host("chaincode")],
                    "Users": {"Count": 1},
                }
                for organisation in topology.organisations
            ],
        },
        indent=1,
    )


def _host(name: str, *reached: str) -> dict[str, Any]:
    return {"Hostname": name, "SANS": list(dict.fromkeys(("localhost", HOST, *reached)))}


def channel_config(topology: Topology, folder: NetworkFolder) -> str:
    """Return configtx.yaml (in JSON, which is YAML): the members, the policies, and how blocks are made.

    Changing state needs the endorsement of a majority of organisations, and so does approving a
    chaincode. Raft ticks every 100 ms: with Fabric's 500 ms a restarted orderer is without a leader for
    5 to 10 s.
    """
    profile = {
        "Policies": _rules(),
        "Capabilities": {"V3_0": True},
        "Orderer": _ordering(topology, folder),
        "Application": _application(topology, folder),
    }
    return json.dumps({"Profiles": {PROFILE: profile}}, indent=1)


def _rules() -> dict[str, Any]:
    return {
        "Readers": _implicit("ANY Readers"),
        "Writers": _implicit("ANY Writers"),
        "Admins": _implicit("MAJORITY Admins"),
    }


def _ordering(topology: Topology, folder: NetworkFolder) -> dict[str, Any]:
    organisation = {
        "Name": "Orderer",
        "ID": ORDERER_MSP,
        "MSPDir": str(folder.orderer_organisation / "msp"),
        "Policies": _signed(ORDERER_MSP),
        "OrdererEndpoints": [orderer.address for orderer in topology.orderers],
    }
    return {
        "OrdererType": "etcdraft",
        "BatchTimeout": topology.options.batch_timeout,
        "BatchSize": {
            "MaxMessageCount": topology.options.max_message_count,
            "AbsoluteMaxBytes": "20 MB",
            "PreferredMaxBytes": "4 MB",
        },
        "EtcdRaft": {
            "Consenters": [_consenter(orderer, folder) for orderer in topology.orderers],
            "Options": {
                "TickInterval": "100ms",
                "ElectionTick": 10,
                "HeartbeatTick": 1,
                "MaxInflightBlocks": 5,
                "SnapshotIntervalSize": "16 MB",
            },
        },
        "Policies": {**_rules(), "BlockValidation": _implicit("ANY Writers")},
        "Capabilities": {"V2_0": True},
        "Organizations": [organisation],
    }


def _application(topology: Topology, folder: NetworkFolder) -> dict[str, Any]:
    majority = _implicit("MAJORITY Endorsement")
    return {
        "Policies": {**_rules(), "Endorsement": majority, "LifecycleEndorsement": majority},
        "Capabilities": {"V2_5": True},
        "Organizations": [
            {
                "Name": organisation.name,
                "ID": organisation.msp_id,
                "MSPDir": str(folder.organisation(organisation) / "msp"),
                "Policies": {
                    **_signed(organisation.msp_id),
                    "Endorsement": _signature(f"OR('{organisation.msp_id}.peer')"),
                },
                "AnchorPeers": [{"Host": organisation.reached, "Port": organisation.peer_port}],
            }
            for organisation in topology.organisations
        ],
    }


def _consenter(orderer: Orderer, folder: NetworkFolder) -> dict[str, Any]:
    certificate = str(folder.orderer(orderer) / "tls" / "server.crt")
    return {
        "Host": orderer.reached,
        "Port": orderer.port,
        "ClientTLSCert": certificate,
        "ServerTLSCert": certificate,
    }


def _implicit(rule: str) -> dict[str, str]:
    return {"Type": "ImplicitMeta", "Rule": rule}


def _signature(rule: str) -> dict[str, str]:
    return {"Type": "Signature", "Rule": rule}


def _signed(msp_id: str) -> dict[str, dict[str, str]]:
    member = _signature(f"OR('{msp_id}.member')")
    return {"Readers": member, "Writers": member, "Admins": _signature(f"OR('{msp_id}.admin')")}


def orderer_environment(
    topology: Topology, folder: NetworkFolder, orderer: Orderer, *, cores: int = 1
) -> Environment:
    """Return the environment of an orderer; channels are joined over its administration port, with mutual
    TLS.
    """
    node, data = folder.orderer(orderer), folder.data / orderer.name
    tls = node / "tls"
    return {
        **_runtime(cores),
        "FABRIC_CFG_PATH": str(folder.configuration),
        "FABRIC_LOGGING_SPEC": topology.options.log_level,
        "ORDERER_GENERAL_LISTENADDRESS": orderer.listens,
        "ORDERER_GENERAL_LISTENPORT": str(orderer.port),
        "ORDERER_GENERAL_LOCALMSPID": ORDERER_MSP,
        "ORDERER_GENERAL_LOCALMSPDIR": str(node / "msp"),
        "ORDERER_GENERAL_TLS_ENABLED": "true",
        "ORDERER_GENERAL_TLS_PRIVATEKEY": str(tls / "server.key"),
        "ORDERER_GENERAL_TLS_CERTIFICATE": str(tls / "server.crt"),
        "ORDERER_GENERAL_TLS_ROOTCAS": f"[{tls / 'ca.crt'}]",
        "ORDERER_GENERAL_CLUSTER_CLIENTCERTIFICATE": str(tls / "server.crt"),
        "ORDERER_GENERAL_CLUSTER_CLIENTPRIVATEKEY": str(tls / "server.key"),
        "ORDERER_GENERAL_KEEPALIVE_SERVERMININTERVAL": "5s",  # peers ask every 10 s
        "ORDERER_FILELEDGER_LOCATION": str(data),
        "ORDERER_CONSENSUS_WALDIR": str(data / "wal"),
        "ORDERER_CONSENSUS_SNAPDIR": str(data / "snapshots"),
        "ORDERER_ADMIN_LISTENADDRESS": f"{orderer.listens}:{orderer.admin_port}",
        "ORDERER_ADMIN_TLS_ENABLED": "true",
        "ORDERER_ADMIN_TLS_CERTIFICATE": str(tls / "server.crt"),
        "ORDERER_ADMIN_TLS_PRIVATEKEY": str(tls / "server.key"),
        "ORDERER_ADMIN_TLS_CLIENTROOTCAS": f"[{tls / 'ca.crt'}]",
        "ORDERER_OPERATIONS_LISTENADDRESS": f"{orderer.listens}:{orderer.operations_port}",
    }


_PEER_TIMES: Environment = {
    # Fabric's 25 s between attempts would at times be the time until two peers meet.
    "CORE_PEER_GOSSIP_RECONNECTINTERVAL": "500ms",
    # A neighbour that hangs keeps its connections, so only gossip finds out; until then every second
    # transaction may be sent to it first. Fabric's 5 s and 25 s made that 25 s and five transactions
    # of 5 s each; these make it 5 s and two. A busy machine delays a word by less than a second (16
    # busy processes on 2 cores: none was missed), and a peer that was given up by mistake is met again
    # within a second.
    "CORE_PEER_GOSSIP_ALIVETIMEINTERVAL": "1s",
    "CORE_PEER_GOSSIP_ALIVEEXPIRATIONTIMEOUT": "5s",
    # A peer that comes back knows its neighbours' chaincodes after 1 s instead of 4.
    "CORE_PEER_GOSSIP_PUBLISHSTATEINFOINTERVAL": "1s",
    "CORE_PEER_GOSSIP_REQUESTSTATEINFOINTERVAL": "1s",
    # A peer must notice that its orderer hangs, or it sees no more blocks: after 13 s instead of 80.
    "CORE_PEER_KEEPALIVE_DELIVERYCLIENT_INTERVAL": "10s",
    "CORE_PEER_KEEPALIVE_DELIVERYCLIENT_TIMEOUT": "3s",
    # Fabric doubles the pause before it looks for an orderer again up to an hour.
    "CORE_PEER_DELIVERYCLIENT_RECONNECTBACKOFFTHRESHOLD": "2s",
    # A neighbour that hangs must be given up well before the client gives up, and a transaction may meet it
    # twice: named by the client, and then chosen by the peer. One that works must not be: on that busy
    # machine a full batch took 0.3 s, and 1.1 s when six came at once.
    "CORE_PEER_GATEWAY_ENDORSEMENTTIMEOUT": "1500ms",
    # A peer sends to one orderer or another, so one that hangs costs a share of all transactions this
    # long each; Fabric's 30 s are more than a caller waits. A late answer is no loss: it sends again.
    "CORE_PEER_GATEWAY_BROADCASTTIMEOUT": "2s",
    "CORE_PEER_GATEWAY_DIALTIMEOUT": "1500ms",
}
"""The intervals and timeouts of a peer, shorter than Fabric's, so that it soon notices nodes that hang."""


def peer_environment(
    topology: Topology, folder: NetworkFolder, organisation: NetworkOrganisation, *, cores: int = 1
) -> Environment:
    """Return the environment of a peer: no Docker, chaincode as a service, and quick to find its neighbours
    again.
    """
    node, data = folder.peer(organisation), folder.data / organisation.peer
    tls = node / "tls"
    return {
        **_runtime(cores),
        "FABRIC_CFG_PATH": str(folder.configuration),
        "FABRIC_LOGGING_SPEC": topology.options.log_level,
        "CORE_VM_ENDPOINT": "",
        "CORE_LEDGER_HISTORY_ENABLEHISTORYDATABASE": str(topology.options.key_history).lower(),
        "CORE_PEER_ID": f"peer.{organisation.domain}",
        "CORE_PEER_LOCALMSPID": organisation.msp_id,
        "CORE_PEER_MSPCONFIGPATH": str(node / "msp"),
        "CORE_PEER_ADDRESS": organisation.address,
        "CORE_PEER_LISTENADDRESS": f"{organisation.listens}:{organisation.peer_port}",
        "CORE_PEER_CHAINCODELISTENADDRESS": f"{organisation.listens}:{organisation.chaincode_listen_port}",
        "CORE_PEER_GOSSIP_BOOTSTRAP": organisation.address,
        "CORE_PEER_GOSSIP_EXTERNALENDPOINT": organisation.address,
        **_PEER_TIMES,
        "CORE_PEER_TLS_ENABLED": "true",
        "CORE_PEER_TLS_CERT_FILE": str(tls / "server.crt"),
        "CORE_PEER_TLS_KEY_FILE": str(tls / "server.key"),
        "CORE_PEER_TLS_ROOTCERT_FILE": str(tls / "ca.crt"),
        "CORE_PEER_FILESYSTEMPATH": str(data),
        "CORE_LEDGER_SNAPSHOTS_ROOTDIR": str(data / "snapshots"),
        "CORE_OPERATIONS_LISTENADDRESS": f"{organisation.listens}:{organisation.operations_port}",
        "CORE_CHAINCODE_EXTERNALBUILDERS": json.dumps([{"name": "ccaas", "path": str(folder.builder)}]),
    }


def _runtime(cores: int) -> Environment:
    # Go plans for every core that it sees, but nodes of one machine take turns on them, and a container may
    # use as many as it is limited to. With its share alone, and garbage collected half as often, a node
    # needed an eighth less processor time for the same accesses (three organisations on 2 cores).
    return {"GOMAXPROCS": str(cores), "GOGC": "200"}


def chaincode_environment(
    folder: NetworkFolder, organisation: NetworkOrganisation, package_id: str
) -> Environment:
    """Return the environment of a chaincode service: its package's id, its address, and mutual TLS with its
    peer.
    """
    tls = folder.chaincode_tls(organisation)
    return {
        "CHAINCODE_ID": package_id,
        "CHAINCODE_SERVER_ADDRESS": f"{organisation.listens}:{organisation.chaincode_port}",
        "CHAINCODE_TLS_KEY": str(tls / "server.key"),
        "CHAINCODE_TLS_CERT": str(tls / "server.crt"),
        "CHAINCODE_CLIENT_CA_CERT": str(tls / "ca.crt"),
    }


def administrator_environment(folder: NetworkFolder, organisation: NetworkOrganisation) -> Environment:
    """Return the environment of the `peer` command in the name of an organisation's administrator."""
    return {
        "FABRIC_CFG_PATH": str(folder.configuration),
        "FABRIC_LOGGING_SPEC": "error",
        "CORE_PEER_ADDRESS": organisation.address,
        "CORE_PEER_LOCALMSPID": organisation.msp_id,
        "CORE_PEER_MSPCONFIGPATH": str(folder.user(organisation, "Admin")),
        "CORE_PEER_TLS_ENABLED": "true",
        "CORE_PEER_TLS_ROOTCERT_FILE": str(folder.peer(organisation) / "tls" / "ca.crt"),
    }
