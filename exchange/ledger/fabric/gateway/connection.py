"""Reaching a peer's Gateway service: a profile that names everything, and the channel it opens."""

from __future__ import annotations

from pathlib import Path

import grpc
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from exchange.ledger.fabric.gateway.errors import ProfileError

_MESSAGE_LIMIT = 100 << 20  # as the peer's own
_OPTIONS = (
    ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
    ("grpc.max_send_message_length", _MESSAGE_LIMIT),
    # Find a dead peer under a stream that waits for events; peers refuse pings under a minute apart.
    ("grpc.keepalive_time_ms", 65_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # A peer restarts in about a second: gRPC's own pauses of up to two minutes would outlast that by far.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


class Profile(msgspec.Struct, frozen=True):
    """One organisation's way to a channel. Paths are of PEM files, in a file from the profile's own place.

    `peer` is the `host:port` of its own peer; `tls_ca` the CA of that peer's TLS certificate; `certificate`
    and `key` identify the client. `tls_certificate` and `tls_key` are for peers that ask clients for one.
    `orderers` are the `host:port` of orderers, and `orderer_tls_ca` the CAs of their TLS certificates: for
    transactions that the peer can't hand over.
    """

    msp_id: str
    peer: str
    tls_ca: Path
    certificate: Path
    key: Path
    channel: str
    chaincode: str
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    orderers: tuple[str, ...] = ()
    orderer_tls_ca: Path | None = None

    @classmethod
    def read(cls, file: Path) -> Profile:
        """Return the profile that a JSON file holds.

        Raises:
            ProfileError: the file can't be read, or is no profile.
        """
        try:
            return msgspec.json.decode(
                file.read_bytes(), type=cls, dec_hook=lambda kind, text: file.absolute().parent / kind(text)
            )
        except OSError as why:
            raise ProfileError(f"can't read {file}: {why.strerror}") from None
        except msgspec.MsgspecError as why:
            raise ProfileError(f"{file} is no profile: {why}") from None

    def write(self, file: Path) -> None:
        """Write the profile as JSON, for `read`."""
        file.write_bytes(msgspec.json.format(msgspec.json.encode(self, enc_hook=str), indent=1))


def credentials(profile: Profile) -> grpc.ChannelCredentials:
    """Return the TLS credentials for the peer.

    Raises:
        ProfileError: a file can't be read.
    """
    try:
        return grpc.ssl_channel_credentials(
            profile.tls_ca.read_bytes(),
            profile.tls_key.read_bytes() if profile.tls_key else None,
            profile.tls_certificate.read_bytes() if profile.tls_certificate else None,
        )
    except OSError as why:
        raise ProfileError(f"can't read {why.filename}: {why.strerror}") from None


def client_certificate_hash(profile: Profile) -> bytes:
    """Return the digest of the client's TLS certificate; empty without one.

    A peer that asks clients for a certificate delivers blocks only to requests that name it so.

    Raises:
        ProfileError: the file can't be read, or holds no certificate.
    """
    if profile.tls_certificate is None:
        return b""
    try:
        certificate = x509.load_pem_x509_certificate(profile.tls_certificate.read_bytes())
    except OSError as why:
        raise ProfileError(f"can't read {why.filename}: {why.strerror}") from None
    except ValueError:
        raise ProfileError(f"{profile.tls_certificate} holds no certificate in PEM") from None
    return certificate.fingerprint(hashes.SHA256())


def connect_orderer(profile: Profile, address: str) -> grpc.aio.Channel:
    """Return a channel to the orderer at `address` over TLS; it connects on the first call.

    Raises:
        ProfileError: a file can't be read, or the profile names no CA for orderers.
    """
    if profile.orderer_tls_ca is None:
        raise ProfileError("the profile names orderers and no orderer_tls_ca")
    own = msgspec.structs.replace(profile, tls_ca=profile.orderer_tls_ca)
    return grpc.aio.secure_channel(address, credentials(own), options=_OPTIONS)


def connect(profile: Profile) -> grpc.aio.Channel:
    """Return a channel to the peer over TLS; it connects on the first call, and again whenever it was lost.

    Raises:
        ProfileError: a file can't be read.
    """
    return grpc.aio.secure_channel(profile.peer, credentials(profile), options=_OPTIONS)
