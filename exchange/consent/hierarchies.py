"""The hierarchies of codes that consents use: a code means those below it too.

Source: https://terminology.hl7.org/CodeSystem-v3-ActCode.html, InformationSensitivityPolicy;
https://terminology.hl7.org/CodeSystem-v3-ActReason.html, PurposeOfUse.
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
"""Each sensitivity code of v3 ActCode, with the codes right below it."""

PURPOSES_BELOW: Mapping[str, tuple[str, ...]] = {"TREAT": ("ETREAT",), "ETREAT": ("BTG",)}
"""Of the purposes of use that a request may state, those right below another in v3 ActReason."""


def with_all_below(code: str, hierarchy: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return `code` with all that it includes in `hierarchy`; a code that is not in it alone."""
    return [code, *(lower for below in hierarchy.get(code, ()) for lower in with_all_below(below, hierarchy))]
