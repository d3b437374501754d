"""Changes of identity that commands make: recorded first, written into `consentry.toml` then."""

from __future__ import annotations

from exchange.auth.principal import Member
from exchange.node import settings_file
from exchange.node.folder import ModelFiles, NodeFolder
from exchange.node.identity.recorded_identity import (
    accepting,
    change_recorded,
    differences,
    listing,
    renaming,
    scoring_by,
)
from exchange.node.parts import open_parts
from exchange.node.settings import ConfigError, RiskSettings


def add_member(folder: NodeFolder, member: Member) -> None:
    """List one more member; a running gateway knows it within ten seconds.

    Raises:
        ConfigError: the member can't be used beside the others.
    """
    settings_file.check_member(folder.settings_file, member)
    with open_parts(folder) as parts:
        change_recorded(parts.records, parts.keys.operator_seal, listing(member))
    if all(listed.msp_id != member.msp_id for listed in folder.load().members):
        folder.add_member(member)


def rename_member(folder: NodeFolder, msp_id: str, name: str) -> None:
    """Name a member `name` from now on; entries of before go on showing the name that it had.

    Raises:
        ConfigError: it is no member that is known, or the name can't be used.
    """
    settings_file.check_name(folder.settings_file, msp_id, name)
    with open_parts(folder) as parts:
        change_recorded(parts.records, parts.keys.operator_seal, renaming(msp_id, name))
    settings_file.rename_member(folder.settings_file, msp_id, name)


def use_model(folder: NodeFolder, risk: RiskSettings, files: ModelFiles) -> None:
    """Have the node score by `risk`: put its files in place, and `[risk]` into the settings.

    Raises:
        ConfigError: the settings name another model or evaluator already, or can't be changed.
    """
    settings_file.addable(folder.settings_file, risk)
    with open_parts(folder) as parts, folder.staged_model(risk, files) as put_in_place:
        change_recorded(parts.records, parts.keys.operator_seal, scoring_by(risk))
        put_in_place()
    settings_file.set_risk(folder.settings_file, risk)


def accept_settings(folder: NodeFolder) -> list[str]:
    """Record the address, the evaluator and the time zone that the file has, and return what differs still.

    Raises:
        ConfigError: the file has another Organization of a member or another hospital, or `[risk]` can't be
            used.
    """
    settings = folder.load()
    if settings.risk_fault is not None:
        raise ConfigError(settings.risk_fault)
    with open_parts(folder) as parts:
        changed = change_recorded(parts.records, parts.keys.operator_seal, accepting(settings))
    return [one.text for one in differences(settings, changed)]
