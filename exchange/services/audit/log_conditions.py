"""The clauses of a search of the log as conditions on its entries.

An AuditEvent shows few different outcomes, actions, members, requesters and kinds of requests. Each is put
into an AuditEvent, and those that the clause finds are asked for: a search finds what is shown. Records and
sessions are many, and found by their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from chaincode.access.model import Action, LogEntry, RecordedAction
from exchange.auth.identity import KnownMember
from exchange.auth.principal import Member
from exchange.crypto.release_notes import release_note
from exchange.errors import TooCostlyError
from exchange.fhir import search
from exchange.fhir.audit_event import MSP, TRANSACTION_SYSTEM, EntryDetail, audit_event
from exchange.fhir.search import Clause, Query, Term
from exchange.services.audit.log_index import Asked, Failed, Requester, Word
from exchange.store.log.log_tables import AnyOf

_MOST_PATIENTS = 16
_OUTCOMES: tuple[Literal["permit", "deny"], ...] = ("permit", "deny")


class LogConditions:
    """The conditions that clauses are, in a log of these members and words.

    `number_of` gives the number that stands for a record or a session.
    """

    def __init__(
        self,
        members: Iterable[KnownMember],
        words: Mapping[int, Word],
        number_of: Callable[[Term], int],
    ) -> None:
        # A member of several names is found by each of them.
        self._members = [
            Member(one.msp_id, had.name, one.organization) for one in members for had in one.names
        ]
        self._words = words
        self._number_of = number_of

    def of(self, clause: Clause) -> AnyOf | None:
        """Return the condition that `clause` is; None where every entry meets it.

        The entries about a patient that an `entity` names are the caller's to add (`patients_of`).
        """
        match clause.parameter:
            case "agent":
                found = AnyOf({"recipient": self._recipients(clause)}, self._requesters(clause))
            case "agent-name" | "agent-role":
                found = AnyOf(terms=self._requesters(clause))
            case "altid":
                sessions = [self._number_of(term) for term in _terms(clause)]
                found = AnyOf(terms=[*self._requesters(clause), *sessions])
            case "address":
                found = AnyOf({"recipient": self._recipients(clause)})
            case "site" | "source":
                custodians = [one.msp_id for one in self._members if _names(clause, one)]
                found = AnyOf({"custodian": custodians})
            case "action" | "type":
                actions = (name.value for name in (*Action, *RecordedAction))
                found = AnyOf({"action": [name for name in actions if _meets(clause, _event(action=name))]})
            case "outcome":
                outcomes = [one for one in _OUTCOMES if _meets(clause, _event(outcome=one))]
                failures = [number for number, word in self._words.items() if isinstance(word, Failed)]
                failed = EntryDetail("", "", "", "", "", "", "", released=release_note((), failed=True))
                if _meets(clause, _event(failed)):
                    found = AnyOf({"outcome": outcomes}, terms=failures)
                else:
                    found = AnyOf({"outcome": outcomes}, unless=failures)
            case "entity":
                numbers = [self._number_of(term) for term in _terms(clause)]
                found = AnyOf({"tx": _transactions(clause)}, numbers)
            case _:
                return self._of_kind(clause)
        return found

    def _of_kind(self, clause: Clause) -> AnyOf | None:
        if _meets(clause, _event()):
            return None  # such as the ledger's transaction, which every entry names
        kinds = ((number, word) for number, word in self._words.items() if isinstance(word, Asked))
        return AnyOf(terms=[number for number, word in kinds if _meets(clause, _kind(word))])

    def _requesters(self, clause: Clause) -> list[int]:
        people = ((number, word) for number, word in self._words.items() if isinstance(word, Requester))
        return [number for number, word in people if _meets(clause, _requester(word))]

    def _recipients(self, clause: Clause) -> list[str]:
        return [one.msp_id for one in self._members if _meets(clause, _organization(one))]


def patients_of(clause: Clause) -> list[str]:
    """Return the patients that an `entity` names.

    Raises:
        TooCostlyError: they are too many.
    """
    patients = [
        term.text.removeprefix("rPatient/") for term in _terms(clause) if term.text.startswith("rPatient/")
    ]
    if len(patients) > _MOST_PATIENTS:
        raise TooCostlyError(f"entity: at most {_MOST_PATIENTS} patients")
    return patients


def _terms(clause: Clause) -> list[Term]:
    return [term for alternative in clause.alternatives for union in alternative for term in union]


def _transactions(clause: Clause) -> list[str]:
    system = f"iE|{TRANSACTION_SYSTEM}"
    texts = (term.text for term in _terms(clause))
    named = (
        text.removeprefix("iE=").removeprefix(system) for text in texts if text.startswith(("iE=", system))
    )
    return [name.lstrip("\x1f") for name in named]


def _meets(clause: Clause, part: dict[str, Any]) -> bool:
    query = Query(resource_type="AuditEvent", clauses=(clause,), count=0)
    return query.matches(search.terms("AuditEvent", part))


def _names(clause: Clause, member: Member) -> bool:
    return any(_meets(clause, _source(member, name)) for name in (member.organization, member.msp_id))


def _event(
    who: EntryDetail | None = None,
    *,
    action: str = Action.READ,
    outcome: Literal["permit", "deny"] = "permit",
    classes: tuple[str, ...] = (),
    names: Mapping[str, str] | None = None,
    member: str = "",
) -> dict[str, Any]:
    """Return the AuditEvent of an entry that says just this."""
    entry = LogEntry(
        pair="",
        custodian=member,
        recipient=member,
        purpose="TREAT",
        action=action,
        user="",
        digest="",
        evidence="",
        outcome=outcome,
        reason="",
        classes=classes,
        time=0,
        tx="",
        n=0,
    )
    event: dict[str, Any] = msgspec.json.decode(audit_event(entry, who, names or {}))
    return event


def _source(member: Member, organization: str) -> dict[str, Any]:
    source = _event(member=member.msp_id, names={member.msp_id: member.name})["source"]
    source["observer"]["reference"] = f"Organization/{organization}"
    return {"source": source}


def _organization(member: Member) -> dict[str, Any]:
    references = (f"Organization/{member.organization}", f"Organization/{member.msp_id}")
    agents: list[dict[str, Any]] = [{"who": {"reference": one}} for one in references]
    identifier = {"system": MSP, "value": member.msp_id}
    agents.append({"who": {"identifier": identifier}, "network": {"address": member.name}})
    return {"agent": agents}


def _requester(word: Requester) -> dict[str, Any]:
    detail = EntryDetail(word.client, word.user, word.user_name, word.role, "", "", "")
    reference = word.user if "/" in word.user else f"Practitioner/{word.user}"
    *requesters, _ = _event(detail)["agent"]  # the last is the custodian
    return {"agent": [*requesters, {"who": {"reference": reference}}]}


def _kind(word: Asked) -> dict[str, Any]:
    detail = EntryDetail("", "", "", "", word.interaction, "", "x" if word.person else "")
    event = _event(detail, classes=word.classes)
    return {"entity": event["entity"], "subtype": event["subtype"]}
