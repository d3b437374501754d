"""Conditions on records, which the ledger holds as digests and only the gateway can read.

The ledger never sees a record, so it never compares such a condition: it hands it back as an obligation.
It holds one digest for all that a provision asks of a record (codes, labels, references, data
period), salted for the pair and its count: neither the diagnosis that a patient withholds nor the number of
codes stands there, and equal conditions of two pairs, or of two states of one pair, differ. Classes of
records stay, because the ledger decides by them.

The gateway finds the condition again in the sealed consent. A digest that is in none refuses every record.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from chaincode.consent.model import ALWAYS, Condition, Provision
from chaincode.encoding import encode

_DENY = Provision("deny")
_DIGEST_LENGTH = 32


def pair_digest(salt: bytes, kind: str, text: str) -> str:
    """Return the digest of `text` under the salt of one pair: 32 hexadecimal digits."""
    return hmac.digest(salt, f"consentry/{kind}/1\0{text}".encode(), "sha256")[:16].hex()


def hide_conditions(rule: Provision, salt: bytes, *, count: int = 1) -> Provision:
    """Return `rule` and its exceptions with a digest in place of each condition on records.

    `count` is the pair's (`exchange.crypto.pair_versions`): the same condition has another digest with each.
    """
    exceptions = tuple(hide_conditions(exception, salt, count=count) for exception in rule.exceptions)
    asked = _on_records(rule.when)
    when = rule.when
    if asked != ALWAYS:
        when = Condition(
            period=when.period,
            actors=when.actors,
            actions=when.actions,
            purposes=when.purposes,
            classes=when.classes,
            records=_digest(asked, salt, f"{count:08x}"),
        )
    return Provision(rule.effect, when, exceptions)


def conditions_in(rule: Provision) -> Iterator[Condition]:
    """Yield the conditions on records in `rule` and its exceptions."""
    asked = _on_records(rule.when)
    if asked != ALWAYS:
        yield asked
    for exception in rule.exceptions:
        yield from conditions_in(exception)


def find_conditions(
    conditions: Iterable[Condition], digests: Iterable[str], salt: bytes
) -> dict[str, Condition]:
    """Return those of `conditions` that `digests` stand for in the pair of this salt, by their digests."""
    wanted = set(digests)
    counts = {digest[:-_DIGEST_LENGTH] for digest in wanted}
    made = ((_digest(one, salt, count), one) for one in conditions for count in counts)
    return {digest: one for digest, one in made if digest in wanted}


def hidden_in(rule: Provision) -> Iterator[str]:
    """Yield the digests of conditions on records in `rule` and its exceptions."""
    if rule.when.records:
        yield rule.when.records
    for exception in rule.exceptions:
        yield from hidden_in(exception)


def show_conditions(rule: Provision, known: Mapping[str, Condition]) -> Provision:
    """Return `rule` with the `known` conditions in place of their digests; a denial if one is unknown."""
    if any(digest not in known for digest in hidden_in(rule)):
        return _DENY
    return _shown(rule, known)


def _shown(rule: Provision, known: Mapping[str, Condition]) -> Provision:
    when = rule.when
    if when.records:
        asked = known[when.records]
        when = msgspec.structs.replace(
            when,
            records="",
            codes=asked.codes,
            labels=asked.labels,
            data_period=asked.data_period,
            references=asked.references,
        )
    return Provision(rule.effect, when, tuple(_shown(exception, known) for exception in rule.exceptions))


def _on_records(when: Condition) -> Condition:
    return Condition(
        codes=when.codes, labels=when.labels, data_period=when.data_period, references=when.references
    )


def _digest(asked: Condition, salt: bytes, count: str) -> str:
    # The first releases wrote digests without a count.
    text = encode(asked).decode()
    return count + pair_digest(salt, "records", f"{count}\0{text}" if count else text)
