"""The time of one decision: `python tests/support/ledger/bench_decide.py`, in microseconds.

The least of many short runs, so that other work on the machine shows as little as possible.
"""

import time

from chaincode.access.model import AccessRequest, Permitted
from chaincode.consent.limits import PROVISIONS
from chaincode.consent.model import PURPOSES, Actor, Condition, Pair, Period, Provision, Terms
from chaincode.consent.obligations import RecordFacts, admits
from chaincode.consent.rules import decide
from chaincode.encoding import decode, encode
from chaincode.policy.model import Policy, PolicyRule

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode|"
NOW = 1_700_000_000_000
POLICY = Policy(
    version=1,
    members=("AlphaMSP", "BetaMSP", "GammaMSP"),
    rules=(
        PolicyRule("own-care", "custodian", "patient", ("ETREAT", "HOPERAT", "HPAYMT", "TREAT")),
        PolicyRule("patient-request", "custodian", "patient", ("PATRQT",)),
        PolicyRule("own-unassigned", "custodian", "directory", ("ETREAT", "HOPERAT", "HPAYMT", "TREAT")),
        PolicyRule("directory", "member", "directory", tuple(sorted(PURPOSES)), classes=("Organization",)),
    ),
)
SHARING = Condition(
    period=Period(None, NOW + 10**9),
    actors=(Actor("organization", "BetaMSP"),),
    purposes=("TREAT",),
    actions=("access",),
)
SENSITIVE = Provision("deny", Condition(labels=(ACT_CODE + "PSY", ACT_CODE + "HIV")))
NO_DOCUMENTS = Provision("deny", Condition(classes=("DocumentReference",)))
RECENT = Provision("deny", Condition(data_period=Period(0, 10**12)))
RESEARCH = Provision("permit", Condition(purposes=("HRESCH",), classes=("Observation",)))
TREATMENT = Condition(actors=SHARING.actors, purposes=("TREAT", "ETREAT"))

AT_THE_BOUNDS = tuple(
    Provision(
        "none",
        exceptions=tuple(
            Provision("deny" if n % 2 else "permit", Condition(classes=(f"Class{part}{n}",)))
            for n in range(PROVISIONS // 5 - 1)
        ),
    )
    for part in range(5)
)
"""As many provisions as a pair may hold, each about a class of its own."""

PAIRS = {
    "no consent": (),
    "2 consents, 3 provisions in all": (Provision("permit", SHARING, (SENSITIVE,)), RESEARCH),
    "2 consents, 3 provisions each": (
        Provision("permit", SHARING, (SENSITIVE, NO_DOCUMENTS)),
        Provision("permit", TREATMENT, (NO_DOCUMENTS, RECENT)),
    ),
    f"5 consents, {PROVISIONS} provisions in all": AT_THE_BOUNDS,
}


def pair(roots):
    consents = tuple(Terms(f"{n:032x}", 1, "active", "patient", root) for n, root in enumerate(roots))
    one = Pair("AlphaMSP", "BetaMSP", "patient", epoch=1, opened=0, consents=consents)
    return decode(encode(one), Pair)


def request(classes):
    return AccessRequest(
        pair="0" * 32,
        recipient="BetaMSP",
        purpose="TREAT",
        action="read",
        user="0" * 32,
        digest="0" * 64,
        evidence="0" * 64,
        role="http://snomed.info/sct|309343006",
        person="1" * 32,
        classes=classes,
    )


FACTS = RecordFacts(
    classes=frozenset({"Observation"}),
    codes=(frozenset({"http://loinc.org|8480-6"}),),
    mentions=frozenset({"http://loinc.org|8480-6", "http://unitsofmeasure.org|mm[Hg]"}),
    labels=frozenset(),
    period=Period(NOW - 1, NOW),
    own="0" * 32,
    links=frozenset(),
    authors=frozenset(),
)


def microseconds(call, times=100, rounds=100):
    least = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(times):
            call()
        least = min(least, time.perf_counter() - start)
    return least / times * 1e6


if __name__ == "__main__":
    for name, roots in PAIRS.items():
        for classes in (("Observation",), ()):
            held, asked = pair(roots), request(classes)
            answer = decide(POLICY, held, asked, now=NOW, caller="AlphaMSP")
            spent = microseconds(lambda h=held, a=asked: decide(POLICY, h, a, now=NOW, caller="AlphaMSP"))
            kind = f"{name}; asks for {'one class' if classes else 'all classes'}: {answer.outcome}"
            print(f"{spent:6.1f}  decide  {kind}")  # noqa: T201 - a benchmark reports
            if isinstance(answer, Permitted) and answer.obligations:
                spent = microseconds(lambda o=answer.obligations: admits(o, FACTS))
                print(f"{spent:6.1f}  admits  one record")  # noqa: T201 - a benchmark reports
