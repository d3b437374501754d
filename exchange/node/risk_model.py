"""The opening of the risk model that a node's settings name."""

from __future__ import annotations

import ssl

import httpx

from exchange.node.folder import ModelFiles, NodeFolder
from exchange.node.settings import ConfigError, RiskSettings
from exchange.risk.port import RiskModel


def read_model_files(folder: NodeFolder, risk: RiskSettings) -> ModelFiles:
    """Read the files of the model that `risk` names.

    Raises:
        ConfigError: one is missing or can't be read.
    """
    try:
        offer, card, token = (
            (folder.path / name).read_bytes() for name in (risk.offer, risk.card, risk.token)
        )
        authority = None if risk.authority is None else (folder.path / risk.authority).read_bytes()
        return ModelFiles(offer, card, token.decode("ascii").strip(), authority)
    except (OSError, UnicodeDecodeError) as why:
        raise ConfigError(f"a file of the risk model can't be read ({why}); see to [risk]") from None


def open_model(risk: RiskSettings, files: ModelFiles) -> RiskModel:
    """Open the model in `files`, with a secret key of its own; the evaluator is not asked yet.

    Raises:
        ConfigError: a file can't be used, or what scoring needs is not installed.
    """
    where = "see to [risk] and its files"
    try:
        # Only a node that scores needs what this imports, or waits a second for it.
        from exchange.risk.scoring import EncryptedModel, ModelError  # noqa: PLC0415
    except ImportError as why:
        raise ConfigError(f"{why.name} is not installed; install consentry[scoring], or {where}") from None
    token = files.token
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise ConfigError(f"the evaluator's token is not one word of ASCII characters; {where}")
    try:  # without an authority of its own: this machine's, or those of SSL_CERT_FILE
        # An empty text would count as none there.
        vouching = None if files.authority is None else files.authority.decode("ascii") or "\n"
        trusted = ssl.create_default_context(cadata=vouching)
    except (ssl.SSLError, ValueError):
        raise ConfigError(f"{risk.authority} holds no certificate; {where}") from None
    http = httpx.AsyncClient(
        base_url=risk.evaluator,
        headers={"Authorization": f"Bearer {token}"},
        timeout=risk.seconds,
        verify=trusted,
        trust_env=False,  # no proxy of this machine's environment comes between
    )
    try:
        return EncryptedModel(
            http, offer=files.offer, card=files.card, parameters=risk.parameters, seconds=risk.seconds
        )
    except ModelError as why:
        raise ConfigError(f"{why}; {where}") from None
