"""The terms of each pair as a contract: open a pair, publish terms to it, read it, and read its history.

1. A pair is opened by the organisation that holds the records, its custodian, which is a part of the pair's
   key: no other organisation changes it, or takes its name. Its recipient is a member of the consortium.
2. Published terms replace the consent of the same id, and only with a newer version. Revocation is a
   version with status `inactive`; it stays, without its provisions, and nothing is ever deleted.
3. Terms may name the epoch that they follow, and then no other change came in between. Terms that are made
   anew for every change are so in force or void, however late they come.
4. Every change raises the pair's epoch and writes its one key, so a decision that read the key before
   can't commit after. Each state stays under a key of its own as well: a pair's history is read in pages,
   and needs no index of Fabric's, which would include every key that accesses write.
5. Towards a member that was admitted again, a pair of before is not open until it is opened again, as a
   whole. It keeps its ended consents; what the patient attested is ended by no one else.
6. A consent in a pair can always be ended, however full the pair is.
7. Terms that the patient attested are replaced, ended or revived only by terms that the patient attested. The
   organisation's own stand beside them.
8. A pair says which gateway of its custodian opened it, and no other gateway opens it. The custodian retires
   the pairs of a gateway that is lost: a retired pair keeps its terms and permits nothing until a gateway of
   the custodian opens it again, as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from chaincode.consent.calls import (
    BATCH_LIMIT,
    HISTORY_LIMIT,
    CurrentPair,
    OpenedPairs,
    Opening,
    OpenPairs,
    PairChange,
    PairHistory,
    PairOpener,
    PairOpeners,
    PairVersion,
    PublishedTerms,
    PublishTerms,
    ReadHistory,
    ReadOpeners,
    ReadPair,
    RetiredPairs,
    RetirePairs,
)
from chaincode.consent.limits import check_active, check_count, check_credentials, check_terms
from chaincode.consent.model import Pair, Terms, ended
from chaincode.consent.state import decode_pair, decode_version, history_range, pair_key, version_key
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError, ConflictError, ForbiddenError, NotFoundError
from chaincode.identifiers import MSP_ID, NODE, PAIR, require
from chaincode.ledger import Ledger
from chaincode.paging import read_page
from chaincode.policy.state import ADMISSIONS_KEY, decode_admissions, read_policy


async def open_pairs(ledger: Ledger, args: OpenPairs) -> OpenedPairs:
    """Open each pair that is not open yet; the caller becomes its custodian.

    Raises:
        NotFoundError: the consortium is not founded.
        ForbiddenError: the caller is not a member.
        ConflictError: a pair is open towards another recipient or subject, or another node opened it.
        BadArgumentError: a recipient is not a member, a pair is named twice, or a bound is exceeded.
    """
    _check_batch(len(args.openings))
    policy = await read_policy(ledger)
    if policy is None:
        raise NotFoundError("the consortium is not founded")
    caller = ledger.caller.msp_id
    if caller not in policy.members:
        raise ForbiddenError("only members open pairs")
    again = decode_admissions(await ledger.get(ADMISSIONS_KEY)).again
    for opening in args.openings:
        require(PAIR, opening.pair, "pair")
        _check_node(opening.node)
        if opening.recipient not in policy.members:
            raise BadArgumentError("recipient is not a member of the consortium")
    if len({opening.pair for opening in args.openings}) != len(args.openings):
        raise BadArgumentError("a pair is named twice")
    values = await ledger.get_many([pair_key(opening.pair, caller) for opening in args.openings])
    outcomes: list[Literal["opened", "already-open"]] = []
    changes: list[PairChange] = []
    for opening, value in zip(args.openings, values, strict=True):
        before = None if value is None else decode_pair(value)
        if before is not None:
            _check_same(opening, before)
            if not (before.retired or _is_asleep(before, again)):
                outcomes.append("already-open")
                continue
        pair = _new_pair(opening, caller, ledger.timestamp)
        if before is not None:
            pair = _opened_again(before, pair)
        _write(ledger, opening.pair, pair)
        outcomes.append("opened")
        changes.append(PairChange(pair=opening.pair, epoch=pair.epoch))
    if changes:
        ledger.emit("consent", encode(changes))
    return OpenedPairs(outcomes=tuple(outcomes))


async def publish_terms(ledger: Ledger, args: PublishTerms) -> PublishedTerms:
    """Grant, change or revoke: put the terms of each update in place of the consent of the same id.

    Raises:
        NotFoundError: the caller has not opened a pair.
        ForbiddenError: the patient attested the present version, and not the published one.
        ConflictError: the version is not newer than the present one, or the pair has another epoch than the
            one that an update follows.
        BadArgumentError: a bound is exceeded.
    """
    _check_batch(len(args.updates))
    for update in args.updates:
        require(PAIR, update.pair, "pair")
    updates = [(update.pair, _within_limits(update.terms)) for update in args.updates]
    names = list(dict.fromkeys(name for name, _ in updates))
    caller = ledger.caller.msp_id
    values = await ledger.get_many([pair_key(name, caller) for name in names])
    pairs: dict[str, Pair] = {}
    for name, value in zip(names, values, strict=True):
        if value is None:
            raise NotFoundError("a pair is not open")
        pairs[name] = decode_pair(value)
    if any(update.after not in (0, pairs[update.pair].epoch) for update in args.updates):
        raise ConflictError("the pair has changed since")
    epochs = []
    for name, terms in updates:
        pairs[name] = _updated(pairs[name], terms)
        epochs.append(pairs[name].epoch)
    # An update that only ends a consent is always accepted, even where an earlier release allowed more.
    growing = {name for name, terms in updates if terms.status == "active"}
    for name, pair in pairs.items():
        if name in growing:
            check_active(pair.consents)
        _write(ledger, name, pair)
    ledger.emit("consent", encode([PairChange(pair=name, epoch=pair.epoch) for name, pair in pairs.items()]))
    return PublishedTerms(epochs=tuple(epochs))


async def retire(ledger: Ledger, args: RetirePairs) -> RetiredPairs:
    """Retire pairs that a lost gateway of the caller opened.

    Raises:
        NotFoundError: the caller has not opened a pair.
        ConflictError: another node opened a pair.
        BadArgumentError: a pair is named twice.
    """
    _check_node(args.node)
    outcomes: list[Literal["retired", "already-retired"]] = []
    changes: list[PairChange] = []
    for name, value in zip(args.pairs, await _values(ledger, args.pairs), strict=True):
        if value is None:
            raise NotFoundError("a pair is not open")
        pair = decode_pair(value)
        if pair.node != args.node:
            raise ConflictError("another node of this organisation opened a pair")
        if pair.retired:
            outcomes.append("already-retired")
            continue
        pair = msgspec.structs.replace(pair, epoch=pair.epoch + 1, retired=ledger.timestamp)
        _write(ledger, name, pair)
        outcomes.append("retired")
        changes.append(PairChange(pair=name, epoch=pair.epoch))
    if changes:
        ledger.emit("consent", encode(changes))
    return RetiredPairs(outcomes=tuple(outcomes))


async def read_openers(ledger: Ledger, args: ReadOpeners) -> PairOpeners:
    """Return which gateways of the caller opened pairs.

    Raises:
        BadArgumentError: a pair is named twice.
    """
    pairs = [None if value is None else decode_pair(value) for value in await _values(ledger, args.pairs)]
    return PairOpeners(
        openers=tuple(
            None if pair is None else PairOpener(node=pair.node, retired=pair.retired) for pair in pairs
        )
    )


async def read(ledger: Ledger, args: ReadPair) -> CurrentPair:
    """Return a pair in its present state; None where no such pair is open."""
    value = await ledger.get(pair_key(*_named(ledger, args)))
    return CurrentPair(pair=None if value is None else decode_pair(value))


async def history(ledger: Ledger, args: ReadHistory) -> PairHistory:
    """Return one page of the states that a pair had, the newest first.

    Raises:
        BadArgumentError: the limit or the bookmark is out of bounds.
    """
    page = await read_page(
        ledger,
        history_range(*_named(ledger, args)),
        limit=args.limit,
        most=HISTORY_LIMIT,
        bookmark=args.bookmark,
    )
    versions = tuple(decode_version(entry.value) for entry in page.entries)
    return PairHistory(versions=versions, bookmark=page.bookmark)


async def _values(ledger: Ledger, names: tuple[str, ...]) -> list[bytes | None]:
    _check_batch(len(names))
    for name in names:
        require(PAIR, name, "pair")
    if len(set(names)) != len(names):
        raise BadArgumentError("a pair is named twice")
    return await ledger.get_many([pair_key(name, ledger.caller.msp_id) for name in names])


def _named(ledger: Ledger, args: ReadPair | ReadHistory) -> tuple[str, str]:
    require(PAIR, args.pair, "pair")
    custodian = args.custodian or ledger.caller.msp_id
    require(MSP_ID, custodian, "custodian")
    return args.pair, custodian


def _write(ledger: Ledger, name: str, pair: Pair) -> None:
    ledger.put(pair_key(name, pair.custodian), encode(pair))
    version = PairVersion(tx=ledger.tx_id, time=ledger.timestamp, pair=pair)
    ledger.put(version_key(name, pair.custodian, pair.epoch), encode(version))


def _check_batch(size: int) -> None:
    if not 1 <= size <= BATCH_LIMIT:
        raise BadArgumentError(f"a batch holds 1 to {BATCH_LIMIT}")


def _check_node(node: str) -> None:
    if node:
        require(NODE, node, "node")


def _check_same(opening: Opening, pair: Pair) -> None:
    if (pair.recipient, pair.subject) != (opening.recipient, opening.subject):
        raise ConflictError("a pair is open towards another recipient or subject")
    if opening.node and pair.node not in ("", opening.node) and not pair.retired:
        raise ConflictError("another node of this organisation opened a pair")


def _new_pair(opening: Opening, custodian: str, now: int) -> Pair:
    consents = tuple(_within_limits(terms) for terms in opening.terms)
    if len({terms.id for terms in consents}) != len(consents):
        raise BadArgumentError("a consent is named twice")
    check_count(len(consents))
    check_active(consents)
    check_credentials(opening.credentials)
    return Pair(
        custodian=custodian,
        recipient=opening.recipient,
        subject=opening.subject,
        epoch=1,
        opened=now,
        consents=_in_order(consents),
        credentials=opening.credentials,
        node=opening.node,
    )


def _is_asleep(pair: Pair, again: Mapping[str, int]) -> bool:
    """Return whether `pair` was opened before its recipient was admitted again; the own one never is."""
    return pair.recipient != pair.custodian and pair.opened < again.get(pair.recipient, 0)


def _opened_again(before: Pair, pair: Pair) -> Pair:
    """Return `pair` with the consents that `before` held and that it does not name, ended."""
    named = {terms.id: terms for terms in pair.consents}
    kept = []
    for old in before.consents:
        new = named.get(old.id)
        if new is None:
            if old.status == "active" and old.attested == "patient":
                raise ForbiddenError("the patient attested a consent that the opening leaves out")
            kept.append(ended(old))
        elif new.version < old.version or (new.version == old.version and new.status != old.status):
            raise ConflictError("the present version of the consent is not older than the published one")
        elif old.attested == "patient" != new.attested:
            raise ForbiddenError("the patient attested the consent, and the published version is another's")
    check_count(len(named) + len(kept))
    return msgspec.structs.replace(
        pair,
        epoch=before.epoch + 1,
        consents=_in_order((*pair.consents, *kept)),
        credentials=pair.credentials or before.credentials,
    )


def _within_limits(terms: Terms) -> Terms:
    stored = terms if terms.status == "active" else ended(terms)
    check_terms(stored)
    return stored


def _updated(pair: Pair, terms: Terms) -> Pair:
    others = []
    for one in pair.consents:
        if one.id != terms.id:
            others.append(one)
        elif one.version >= terms.version:
            raise ConflictError("the present version of the consent is not older than the published one")
        elif one.attested == "patient" != terms.attested:
            raise ForbiddenError("the patient attested the consent, and the published version is another's")
    if len(others) == len(pair.consents):
        check_count(len(others) + 1)
    return msgspec.structs.replace(pair, epoch=pair.epoch + 1, consents=_in_order((*others, terms)))


def _in_order(consents: tuple[Terms, ...]) -> tuple[Terms, ...]:
    # By id, so that two pairs of one patient don't show the order in which her consents came.
    return tuple(sorted(consents, key=lambda terms: terms.id))
