"""Changes of identity that commands make: recorded first, written into `consentry.toml` then.

`by` is the operator, by whose name the change is an entry of the access log.
"""

from __future__ import annotations

import hashlib

from exchange.auth.principal import Member
from exchange.node import settings_file
from exchange.node.folder import ModelFiles, NodeFolder
from exchange.node.identity.recorded_identity import (
    SettingsRecord,
    accepting,
    differences,
    listing,
    renaming,
    scoring_by,
)
from exchange.node.parts import NodeParts, open_parts
from exchange.node.settings import ConfigError, RiskSettings


def add_member(folder: NodeFolder, member: Member, *, by: str) -> None:
    """List one more member; a running gateway knows it within ten seconds.

    Raises:
        ConfigError: the member can't be used beside the others.
    """
    settings_file.check_member(folder.settings_file, member)
    with open_parts(folder) as parts:
        _record(parts, by).change(parts.records, listing(member))
    if all(listed.msp_id != member.msp_id for listed in folder.load().members):
        folder.add_member(member)


def rename_member(folder: NodeFolder, msp_id: str, name: str, *, by: str) -> None:
    """Name a member `name` from now on; entries of before go on showing the name that it had.

    Raises:
        ConfigError: it is no member that is known, or the name can't be used.
    """
    settings_file.check_name(folder.settings_file, msp_id, name)
    with open_parts(folder) as parts:
        _record(parts, by).change(parts.records, renaming(msp_id, name))
    settings_file.rename_member(folder.settings_file, msp_id, name)


def use_model(folder: NodeFolder, risk: RiskSettings, files: ModelFiles, *, by: str) -> None:
    """Have the node score by `risk`: put its files in place, and `[risk]` into the settings.

    The entry of the log has the digest of the model's card, whether or not the settings change.

    Raises:
        ConfigError: the settings name another model or evaluator already, or can't be changed.
    """
    settings_file.addable(folder.settings_file, risk)
    with open_parts(folder) as parts, folder.staged_model(risk, files) as put_in_place:
        card = hashlib.sha256(files.card).hexdigest()
        _record(parts, by).change(
            parts.records, scoring_by(risk), done=f"model of the card sha256:{card} used"
        )
        put_in_place()
    settings_file.set_risk(folder.settings_file, risk)


def accept_settings(folder: NodeFolder, *, by: str) -> list[str]:
    """Record the address, the evaluator and the time zone that the file has, and return what differs still.

    Raises:
        ConfigError: the file has another Organization of a member or another hospital, or `[risk]` can't be
            used.
    """
    settings = folder.load()
    if settings.risk_fault is not None:
        raise ConfigError(settings.risk_fault)
    with open_parts(folder) as parts:
        changed = _record(parts, by).change(parts.records, accepting(settings))
    return [one.text for one in differences(settings, changed)]


def _record(parts: NodeParts, by: str) -> SettingsRecord:
    return SettingsRecord(parts.keys.operator_seal, parts.identity_events, by)
