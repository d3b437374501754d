"""The opening of the risk model that a node's settings name."""

from __future__ import annotations

import ssl

import httpx

from exchange.node.folder import NodeFolder
from exchange.node.settings import ConfigError, RiskSettings
from exchange.risk.port import RiskModel


def open_model(folder: NodeFolder, risk: RiskSettings) -> RiskModel:
    """Open the model of the node in `folder`, with a secret key of its own; the evaluator is not asked yet.

    Raises:
        ConfigError: a file is missing or can't be used, or what scoring needs is not installed.
    """
    where = f"see to [risk] in {folder.settings_file}"
    try:
        # Only a node that scores needs what this imports, or waits a second for it.
        from exchange.risk.scoring import EncryptedModel, ModelError  # noqa: PLC0415
    except ImportError as why:
        raise ConfigError(f"{why.name} is not installed; install consentry[scoring], or {where}") from None
    try:
        offer, card = ((folder.path / name).read_bytes() for name in (risk.offer, risk.card))
        authority = None if risk.authority is None else (folder.path / risk.authority).read_text("ascii")
        token = (folder.path / risk.token).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as why:
        raise ConfigError(f"a file of the risk model can't be read ({why}); {where}") from None
    try:  # without an authority of its own: this machine's, or those of SSL_CERT_FILE
        trusted = ssl.create_default_context(cadata=authority)
    except ssl.SSLError:
        raise ConfigError(f"{risk.authority} holds no certificate; {where}") from None
    http = httpx.AsyncClient(
        base_url=risk.evaluator,
        headers={"Authorization": f"Bearer {token}"},
        timeout=risk.seconds,
        verify=trusted,
        trust_env=False,  # no proxy of this machine's environment comes between
    )
    try:
        return EncryptedModel(http, offer=offer, card=card, parameters=risk.parameters, seconds=risk.seconds)
    except ModelError as why:
        raise ConfigError(f"{why}; {where}") from None
