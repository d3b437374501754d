"""The steps that make a channel out of processes, each done with Fabric's own commands.

Steps of different organisations may run side by side; `approve` and `commit` each wait for a block.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from exchange.devnet.configuration import (
    PROFILE,
    Environment,
    administrator_environment,
    channel_config,
    crypto_config,
)
from exchange.devnet.errors import ProcessStartError
from exchange.devnet.programs import Programs
from exchange.devnet.topology import NetworkFolder, NetworkOrganisation, Orderer, Topology

_COMMAND_SECONDS = 60.0
_SETTLE_TIMEOUT = 30.0  # seconds for transient failures: a leader's election, a block on its way
_SETTLES = (
    "no Raft leader",
    "not agreed to by this org",
    "failed to satisfy",
    "connection refused",
    "MVCC_READ_CONFLICT",  # the same command's earlier transaction, sent unseen, came first
    "failed to connect to deliver",  # a command that can't listen yet has sent nothing
    "ProposalResponsePayloads do not match",  # one peer has the last approval's block, another not yet
)
_UNSEEN = ("timed out waiting for", "error receiving from deliver")
"""It may have succeeded. A command listens from the newest block on: where the next follows at once, it
misses its own."""

_LISTENING = "10s"
_LONGEST = 300


class Administrator:
    """Sets one network up."""

    def __init__(self, programs: Programs, folder: NetworkFolder, topology: Topology) -> None:
        self._programs, self._folder, self._topology = programs, folder, topology
        self._channel = topology.options.channel

    def make_certificates(self, output: Path) -> None:
        """Write a CA, certificates and keys for every node and user to `output`, which must not exist yet."""
        given = self._folder.configuration / "crypto.yaml"
        given.write_text(crypto_config(self._topology))
        self._run(self._programs.cryptogen, "generate", "--config", given, "--output", output)

    def make_channel(self) -> None:
        """Write the channel's first block."""
        config = self._folder.configuration
        (config / "configtx.yaml").write_text(channel_config(self._topology, self._folder))
        block = self._folder.block(self._channel)
        self._run(
            self._programs.configtxgen,
            *("-profile", PROFILE, "-channelID", self._channel, "-outputBlock", block),
            environment={"FABRIC_CFG_PATH": str(config)},
        )

    def join_orderer(self, orderer: Orderer) -> None:
        """Have an orderer serve the channel."""
        tls = self._folder.orderer(orderer) / "tls"
        self._run(
            self._programs.osnadmin,
            *("channel", "join", "--channelID", self._channel),
            *("--config-block", self._folder.block(self._channel)),
            *("-o", f"{orderer.reached}:{orderer.admin_port}", "--ca-file", tls / "ca.crt"),
            *("--client-cert", tls / "server.crt", "--client-key", tls / "server.key"),
        )

    def join_peer(self, organisation: NetworkOrganisation) -> None:
        """Join an organisation's peer to the channel."""
        self._peer(organisation, "channel", "join", "-b", self._folder.block(self._channel))

    def install(self, organisation: NetworkOrganisation, package: Path) -> None:
        """Put a chaincode package on an organisation's peer."""
        self._peer(organisation, "lifecycle", "chaincode", "install", package)

    def approve(self, organisation: NetworkOrganisation, package_id: str) -> None:
        """Approve the chaincode's definition in the name of an organisation."""
        self._peer(
            organisation,
            *("lifecycle", "chaincode", "approveformyorg", "--package-id", package_id),
            *self._definition(),
            done="with unchanged content",
        )

    def commit(self) -> None:
        """Commit the definition that the organisations approved."""
        endorsers: list[str | Path] = []
        for organisation in self._topology.organisations:
            ca = self._folder.peer(organisation) / "tls" / "ca.crt"
            endorsers += ["--peerAddresses", organisation.address, "--tlsRootCertFiles", ca]
        first = self._topology.organisations[0]
        self._peer(
            first,
            *("lifecycle", "chaincode", "commit"),
            *endorsers,
            *self._definition(),
            done="new definition must be sequence 2",
        )

    def _definition(self) -> list[str | Path]:
        options, orderer = self._topology.options, self._topology.orderers[0]
        ca = self._folder.orderer(orderer) / "tls" / "ca.crt"
        flags: list[str | Path] = ["-o", orderer.address, "--tls", "--cafile", ca]
        flags += ["--channelID", options.channel, "--name", options.chaincode]
        flags += ["--version", "1", "--sequence", "1", "--waitForEventTimeout", _LISTENING]
        if options.collections:
            flags += ["--collections-config", self._collections(options.collections)]
        return flags

    def _collections(self, configuration: str) -> Path:
        path = self._folder.configuration / "collections.json"
        if not path.exists():
            path.write_text(json.dumps(json.loads(configuration)))
        return path

    def _peer(
        self, organisation: NetworkOrganisation, *arguments: str | Path, done: str | None = None
    ) -> None:
        """Run one command until it succeeds; `done` is how it fails when it had succeeded unseen."""
        unseen = False
        environment = administrator_environment(self._folder, organisation)
        end = time.monotonic() + _SETTLE_TIMEOUT
        while True:
            try:
                self._run(self._programs.peer, *arguments, environment=environment)
            except ProcessStartError as why:
                if unseen and done is not None and done in str(why):
                    return
                unseen = unseen or any(text in str(why) for text in _UNSEEN)
                if time.monotonic() > end or not any(text in str(why) for text in (*_SETTLES, *_UNSEEN)):
                    raise
                time.sleep(0.1)
            else:
                return

    def _run(self, program: Path, *arguments: str | Path, environment: Environment | None = None) -> None:
        step = f"{program.name} {' '.join(str(argument) for argument in arguments[:3])}"
        try:
            done = subprocess.run(  # noqa: S603  # programs that the operator named, with our own arguments
                [program, *arguments],
                env={"PATH": os.environ.get("PATH", os.defpath), **(environment or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ProcessStartError(
                f"{step} took more than {_COMMAND_SECONDS:.0f} s: see {self._folder.logs}"
            ) from None
        except OSError as why:
            raise ProcessStartError(f"{program} can't be run: {why.strerror}") from None
        if done.returncode:
            lines = (done.stderr + done.stdout).strip().splitlines() or ["no message"]
            said = next((line for line in reversed(lines) if "Error" in line), lines[-1])
            raise ProcessStartError(f"{step} failed: {said[:_LONGEST]}")
