"""The hierarchy of sensitivity labels in v3 ActCode.

Source: https://terminology.hl7.org/CodeSystem-v3-ActCode.html, InformationSensitivityPolicy.
"""

from __future__ import annotations

from collections.abc import Mapping

SENSITIVITY: Mapping[str, tuple[str, ...]] = {
    "SPI": ("BH", "MH", "PSY", "PSYTHPN", "SUD"),
    "BH": ("COGN", "DVD", "EMOTDIS"),
    "SUD": ("ETHUD", "OPIOIDUD"),
} | dict.fromkeys(
    (
        *("ETH", "GDIS", "HIV", "MST", "SCA", "SDV", "SEX", "STD", "TBOO", "VIO", "SICKLE"),
        *("COGN", "DVD", "EMOTDIS", "MH", "PSY", "PSYTHPN", "ETHUD", "OPIOIDUD"),
        *("DEMO", "DOB", "GENDER", "LIVARG", "MARST", "RACE", "REL", "B", "EMPL", "LOCIS", "SSP"),
        *("ADOL", "CEL", "DIA", "DRGIS", "EMP", "PDS", "PHY", "PRS"),
    ),
    (),
)
"""Each sensitivity code of v3 ActCode, with the codes right below it: a label means those too."""


def with_all_below(code: str) -> list[str]:
    """Return the sensitivity `code` with all that it includes; any other code alone."""
    return [code, *(lower for below in SENSITIVITY.get(code, ()) for lower in with_all_below(below))]
