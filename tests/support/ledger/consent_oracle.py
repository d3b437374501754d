"""A slow, literal second opinion on consent, written from ADR 0008 and not from the rules.

It looks at whole trees and one concrete record, and settles nothing beforehand. Every unknown (a person
that is not named, a date that a record does not have) is tried both ways, for each rule on its own: the
record may be seen only if it may be seen however the unknown turns out. In each such world the plain
two-valued reading of a consent applies.

A record is a plain dict:
    type      resource type
    concepts  list of sets of codes; one set per primary concept
    others    set of codes elsewhere in the record
    tags      set of security labels other than confidentiality
    level     confidentiality code, or None
    time      (start, end) in milliseconds, a side may be None; or None where nothing is known
    self      digest of its own reference
    refers    set of digests, None among them for one that can't be told
    written   set of digests, likewise
"""

from itertools import product

YES, NO, MAYBE = "yes", "no", "maybe"

PURPOSES = {"TREAT", "ETREAT", "BTG", "HPAYMT", "HOPERAT", "HRESCH", "PATRQT", "PUBHLTH"}
MEANING = {
    "read": "access",
    "search": "access",
    "history": "access",
    "export": "collect",
    "score": "use",
    "train": "use",
    "log": "access",
}
ORDER = "ULMNRV"
SENSITIVE = {"l|PSY", "l|HIV"}
LEVEL = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality|"


def may_see(policy, pair, request, now, caller, record):
    """Return whether this record may go to the requester."""
    if policy is None or pair is None:
        return False
    if request.purpose not in PURPOSES or request.action not in MEANING or "" in request.classes:
        return False
    if request.recipient not in policy.members or pair.custodian not in policy.members:
        return False
    if pair.custodian != caller or pair.recipient != request.recipient:
        return False
    if not sane_policy(policy) or not sane_pair(pair):
        return False
    roots = [terms.root for terms in pair.consents if terms.status == "active"]
    unsure = []
    for root in roots:
        collect_unsure(root, request, now, record, unsure)
    permitted_by_policy = any(policy_speaks(rule, pair, request, record) for rule in policy.rules)
    for choices in product((True, False), repeat=len(unsure)):
        world = {id(node): choice for node, choice in zip(unsure, choices, strict=True)}
        opinions = {says(root, request, now, record, world) for root in roots}
        if "deny" in opinions:
            return False
        if "permit" not in opinions and not permitted_by_policy:
            return False
    return True


def unknowns(pair, request, now, record):
    """Return the number of rules that depend on an unknown; the worlds are two to the power of that."""
    unsure = []
    for terms in pair.consents:
        if terms.status == "active":
            collect_unsure(terms.root, request, now, record, unsure)
    return len(unsure)


def collect_unsure(node, request, now, record, found):
    verdict = meets(node, request, now, record)
    if verdict == NO:
        return
    if verdict == MAYBE:
        found.append(node)
    for child in node.exceptions:
        collect_unsure(child, request, now, record, found)


def says(node, request, now, record, world):
    verdict = meets(node, request, now, record)
    applies = world[id(node)] if verdict == MAYBE else verdict == YES
    if not applies:
        return "none"
    heard = [says(child, request, now, record, world) for child in node.exceptions]
    if "deny" in heard:
        return "deny"
    if "permit" in heard:
        return "permit"
    return node.effect


def policy_speaks(rule, pair, request, record):
    if rule.relation == "custodian" and pair.custodian != pair.recipient:
        return False
    if rule.subject != pair.subject or request.purpose not in rule.purposes:
        return False
    if rule.actions and request.action not in rule.actions:
        return False
    return not rule.classes or record["type"] in rule.classes


def meets(node, request, now, record):
    when = node.when
    answers = []
    if when.period is not None:
        inside = (when.period.start is None or now >= when.period.start) and (
            when.period.end is None or now < when.period.end
        )
        answers.append(YES if inside else NO)
    if when.actors:
        answers.append(best([is_actor(actor, request) for actor in when.actors]))
    if when.actions:
        answers.append(YES if MEANING[request.action] in when.actions else NO)
    if when.purposes:
        answers.append(YES if request.purpose in when.purposes else NO)
    if when.classes:
        answers.append(YES if record["type"] in when.classes else NO)
    if when.codes:
        answers.append(has_code(when.codes, record))
    if when.labels:
        answers.append(has_label(when.labels, record, node.effect))
    if when.data_period is not None:
        answers.append(in_time(when.data_period, record["time"]))
    if when.references:
        answers.append(best([is_named(reference, record) for reference in when.references]))
    return worst(answers)


def best(answers):
    return YES if YES in answers else MAYBE if MAYBE in answers else NO


def worst(answers):
    return NO if NO in answers else MAYBE if MAYBE in answers else YES


def is_actor(actor, request):
    if actor.kind == "organization":
        return YES if actor.id == request.recipient else NO
    stated = request.role if actor.kind == "role" else request.person
    if not stated:
        return MAYBE
    if actor.id == stated:
        return YES
    if actor.kind == "role":  # two code systems may have a code each for the same role
        same_system = actor.id.split("|")[0] == stated.split("|")[0]
        return NO if same_system and actor.id.upper() != stated.upper() else MAYBE
    return MAYBE if request.person_open else NO


def has_code(listed, record):
    concepts = record["concepts"]
    if concepts and all(any(code in listed for code in concept) for concept in concepts):
        return YES
    everywhere = set(record["others"]).union(*concepts)
    return MAYBE if any(could_be(code, one) for code in everywhere for one in listed) else NO


def could_be(code, listed):
    system, _, value = code.rpartition("|")
    listed_system, _, listed_value = listed.rpartition("|")
    return system in ("", listed_system) and value in ("", listed_value)


def has_label(listed, record, effect):
    level = ORDER.index(record["level"] or "N")
    ceilings = [ORDER.index(one.removeprefix(LEVEL)) for one in listed if one.startswith(LEVEL)]
    names = [one for one in listed if not one.startswith(LEVEL)]
    strange = [tag for tag in record["tags"] if tag not in names]
    restricted = ORDER.index("R")
    within = False
    if ceilings and level <= max(ceilings):  # by its level: from R on, sensitive data are meant too
        within = not strange or (max(ceilings) >= restricted and all(tag in SENSITIVE for tag in strange))
    if record["tags"] and not strange and level <= max([restricted, *ceilings]):  # by what makes it sensitive
        within = True
    sensitive = any(tag in SENSITIVE for tag in record["tags"])
    lowest = max(level, restricted) if sensitive and not record["level"] else level
    above = bool(ceilings) and lowest >= min(ceilings)
    touched = above or any(could_be(tag, name) for tag in record["tags"] for name in names)
    # `permit N` is about records up to normal, `deny N` about normal ones and those above.
    if effect == "permit":
        return YES if within else MAYBE if touched else NO
    if effect == "deny":
        return NO if not touched else YES if within else MAYBE
    return YES if within and touched else MAYBE if within or touched else NO


def in_time(bounds, time):
    if time is None:
        return MAYBE
    never, ever = float("-inf"), float("inf")
    low = never if bounds.start is None else bounds.start
    high = ever if bounds.end is None else bounds.end
    start = never if time[0] is None else time[0]
    end = ever if time[1] is None else time[1]
    if low <= start and end <= high:
        return YES
    return MAYBE if start < high and low < end else NO


def is_named(reference, record):
    if reference.meaning == "authoredby":
        if reference.digest in record["written"]:
            return YES
        return MAYBE if None in record["written"] else NO
    if record["self"] == reference.digest:
        return YES
    if reference.meaning == "dependents":
        if reference.digest in record["refers"]:
            return YES
        return MAYBE if None in record["refers"] else NO
    return NO


def sane_policy(policy):
    if policy.schema > 1:
        return False
    for rule in policy.rules:
        if not rule.purposes or set(rule.purposes) - PURPOSES or set(rule.actions) - set(MEANING):
            return False
        if "" in rule.classes:
            return False
    return True


def sane_pair(pair):
    if pair.schema > 1:
        return False
    return all(terms.status == "inactive" or sane_node(terms.root, 1) for terms in pair.consents)


def sane_node(node, depth):
    when = node.when
    codings = [*when.codes, *when.labels, *[actor.id for actor in when.actors if actor.kind == "role"]]
    levels = [one.removeprefix(LEVEL) for one in when.labels if one.startswith(LEVEL)]
    return (
        depth <= 12
        and (depth == 1 or node.effect != "none")
        and all(sane_period(period) for period in (when.period, when.data_period))
        and all(actor.id for actor in when.actors)
        and set(when.purposes) <= PURPOSES
        and set(when.actions) <= {"access", "collect", "use", "disclose", "correct"}
        and "" not in when.classes
        and all("" not in code.rpartition("|") for code in codings)
        and all(len(level) == 1 and level in ORDER for level in levels)
        and all(reference.digest for reference in when.references)
        and all(sane_node(child, depth + 1) for child in node.exceptions)
    )


def sane_period(period):
    if period is None:
        return True
    if period.start is None and period.end is None:
        return False
    return period.start is None or period.end is None or period.start < period.end
