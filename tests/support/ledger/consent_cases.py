"""Random consents, policies, requests and records from a small world, so that they often meet."""

import msgspec

from chaincode.access.model import AccessRequest, Permitted
from chaincode.consent.model import (
    CONFIDENTIALITY_SYSTEM,
    DEPTH,
    Actor,
    Condition,
    Pair,
    Period,
    Provision,
    Reference,
    Terms,
)
from chaincode.consent.obligations import RecordFacts, admits
from chaincode.policy.model import Policy, PolicyRule
from exchange.consent.compile import role_in
from exchange.consent.hidden_conditions import hide_conditions

MEMBERS = ("AlphaMSP", "BetaMSP", "GammaMSP")
SALT = b"s" * 32
ROLES = ("r|doctor", "r|nurse", "r|Nurse", "q|nurse")
PERSONS = ("a" * 32, "b" * 32)
CLASSES = ("Observation", "Condition", "Patient")
CODES = ("s|1", "s|2", "t|1")
TAGS = ("l|PSY", "l|HIV")
LEVELS = ("M", "N", "R", "V")
DIGESTS = ("1" * 32, "2" * 32, "3" * 32)
PURPOSES = ("TREAT", "HRESCH")
ACTIONS = ("read", "export", "score")
NOW = 100


def some(rng, values, most=2):
    return tuple(rng.sample(values, rng.randint(1, min(most, len(values)))))


def period(rng, high=200):
    start, end = sorted(rng.sample(range(0, high, 10), 2))
    return Period(start if rng.random() < 0.7 else None, end if rng.random() < 0.7 else high)


def actor(rng):
    kind = rng.choice(("organization", "organization", "role", "person"))
    ids = {"organization": MEMBERS, "role": ROLES, "person": PERSONS}[kind]
    return Actor(kind, rng.choice(ids))


def label(rng):
    if rng.random() < 0.4:
        return f"{CONFIDENTIALITY_SYSTEM}|{rng.choice(LEVELS)}"
    return rng.choice(TAGS)


def reference(rng):
    return Reference(rng.choice(("instance", "dependents", "authoredby")), rng.choice(DIGESTS))


def condition(rng, odds=0.22):
    parts = {}
    if rng.random() < odds:
        parts["period"] = period(rng)
    if rng.random() < odds:
        parts["actors"] = tuple(actor(rng) for _ in range(rng.randint(1, 2)))
    if rng.random() < odds:
        parts["actions"] = some(rng, ("access", "collect", "use", "disclose"), 3)
    if rng.random() < odds:
        parts["purposes"] = some(rng, PURPOSES)
    if rng.random() < odds:
        parts["classes"] = some(rng, CLASSES)
    if rng.random() < odds:
        parts["codes"] = some(rng, CODES)
    if rng.random() < odds:
        parts["labels"] = tuple({label(rng) for _ in range(rng.randint(1, 2))})
    if rng.random() < odds:
        parts["data_period"] = period(rng)
    if rng.random() < odds:
        parts["references"] = tuple(reference(rng) for _ in range(rng.randint(1, 2)))
    return Condition(**parts)


def provision(rng, depth=0):
    effect = rng.choice(("permit", "permit", "deny", "none") if depth == 0 else ("permit", "deny"))
    count = rng.choice((0, 1, 1, 2, 3)) if depth < 3 else 0
    if depth and rng.random() < 0.5:
        count = 0
    return Provision(effect, condition(rng), tuple(provision(rng, depth + 1) for _ in range(count)))


def terms(rng, n):
    return Terms(
        id=f"{n:032x}",
        version=rng.randint(1, 3),
        status="active" if rng.random() < 0.9 else "inactive",
        attested="patient",
        root=provision(rng),
    )


def filed_terms(rng, n):
    """Return terms as the contract takes them: with digests for conditions on records, and for roles."""
    made = terms(rng, n)
    return msgspec.structs.replace(made, root=_with_hidden_roles(hide_conditions(made.root, SALT)))


def filed_request(rng, recipient):
    """Return a request as the contract takes it."""
    made = request(rng, recipient)
    return msgspec.structs.replace(made, role=role_in(SALT, made.role))


def _with_hidden_roles(rule):
    actors = tuple(
        Actor("role", role_in(SALT, one.id)) if one.kind == "role" else one for one in rule.when.actors
    )
    return Provision(
        rule.effect,
        msgspec.structs.replace(rule.when, actors=actors),
        tuple(_with_hidden_roles(exception) for exception in rule.exceptions),
    )


def pair(rng):
    custodian, recipient = rng.choice(MEMBERS), rng.choice(MEMBERS)
    return Pair(
        custodian=custodian,
        recipient=recipient,
        subject="patient" if rng.random() < 0.9 else "directory",
        epoch=rng.randint(1, 9),
        opened=0,
        consents=tuple(terms(rng, n) for n in range(rng.choice((0, 1, 1, 2, 2, 3)))),
    )


def policy(rng):
    rules = tuple(
        PolicyRule(
            id=f"rule-{n}",
            relation=rng.choice(("custodian", "custodian", "member")),
            subject=rng.choice(("patient", "patient", "directory")),
            purposes=some(rng, PURPOSES),
            actions=some(rng, ACTIONS) if rng.random() < 0.3 else (),
            classes=some(rng, CLASSES) if rng.random() < 0.3 else (),
        )
        for n in range(rng.choice((0, 0, 1, 2)))
    )
    return Policy(version=4, members=MEMBERS if rng.random() < 0.95 else MEMBERS[:2], rules=rules)


def request(rng, recipient):
    return AccessRequest(
        pair="0" * 32,
        recipient=recipient if rng.random() < 0.98 else "GammaMSP",
        purpose=rng.choice(PURPOSES) if rng.random() < 0.98 else "HMARKT",
        action=rng.choice(ACTIONS),
        user="0" * 32,
        digest="0" * 64,
        evidence="0" * 64,
        role=rng.choice(("", *ROLES)),
        person=rng.choice(("", *PERSONS)),
        classes=rng.choice(((), (), *((name,) for name in CLASSES), CLASSES[:2])),
        person_open=rng.random() < 0.3,
    )


def record(rng):
    stated = (*CODES, "|1", "s|", "|")
    digests = (*DIGESTS, None)
    time = rng.choice((None, 1, 1, 1))
    if time is not None:
        bounds = sorted(rng.sample(range(0, 210, 5), 2))
        time = (bounds[0] if rng.random() < 0.8 else None, bounds[1] if rng.random() < 0.8 else None)
    return {
        "type": rng.choice(CLASSES),
        "concepts": [set(rng.sample(CODES, rng.randint(1, 2))) for _ in range(rng.choice((0, 1, 1, 2)))],
        "others": set(rng.sample(stated, rng.choice((0, 0, 1, 2)))),
        "tags": set(rng.sample((*TAGS, "l|SEX", "|PSY"), rng.choice((0, 0, 1, 2)))),
        "level": rng.choice((None, *LEVELS, "U")),
        "time": time,
        "self": rng.choice(DIGESTS),
        "refers": set(rng.sample(digests, rng.choice((0, 1, 2)))),
        "written": set(rng.sample(digests, rng.choice((0, 1, 1)))),
    }


def facts(one):
    """Return the facts that the gateway would hand to `admits` about this record."""
    level = {f"{CONFIDENTIALITY_SYSTEM}|{one['level']}"} if one["level"] else set()
    return RecordFacts(
        classes=frozenset({one["type"]}),
        codes=tuple(frozenset(concept) for concept in one["concepts"]),
        mentions=frozenset(one["others"].union(*one["concepts"])),
        labels=frozenset(one["tags"] | level),
        period=None if one["time"] is None else Period(*one["time"]),
        own=one["self"],
        links=frozenset("" if digest is None else digest for digest in one["refers"]),
        authors=frozenset("" if digest is None else digest for digest in one["written"]),
        sensitivities=frozenset(one["tags"].intersection(TAGS)),
    )


def releases(decision, known):
    """Return whether a record with the facts `known` may be released on `decision`."""
    return isinstance(decision, Permitted) and admits(decision.obligations, known)


def rule(*exceptions, **when):
    return Provision("permit", Condition(**when), exceptions)


def nested(depth):
    root = rule()
    for _ in range(depth - 1):
        root = rule(root)
    return root


BROKEN = [
    Provision("permit", exceptions=(Provision("none"),)),
    rule(purposes=("TREAT", "FUN")),
    rule(actions=("access", "peek")),
    rule(actors=(Actor("organization", ""),)),
    rule(actors=(Actor("person", ""),)),
    rule(actors=(Actor("role", "nurse"),)),
    rule(actors=(Actor("role", "|nurse"),)),
    rule(classes=("",)),
    rule(codes=("1234-5",)),
    rule(codes=("http://loinc.org|",)),
    rule(labels=("R",)),
    rule(labels=(f"{CONFIDENTIALITY_SYSTEM}|X",)),
    rule(labels=(f"{CONFIDENTIALITY_SYSTEM}|",)),
    rule(period=Period()),
    rule(period=Period(5, 5)),
    rule(period=Period(6, 5)),
    rule(data_period=Period()),
    rule(data_period=Period(6, 5)),
    rule(references=(Reference("instance", ""),)),
    nested(DEPTH + 1),
]
"""Provisions that mean nothing to this release, or nothing at all."""
