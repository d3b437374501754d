"""The cost of one decision: it grows with the size of the pair, and not with its square."""

import sys

from chaincode.consent.limits import TERMS, check_active, check_terms
from chaincode.consent.rules import decide
from chaincode.encoding import encode
from tests.support.ledger.bench_decide import AT_THE_BOUNDS, NOW, POLICY, pair, request


def calls(work):
    """Count the Python functions that `work` calls: the same on every machine, however busy."""
    count = 0

    def seen(_frame, event, _arg):
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def test_a_pair_at_its_bounds_is_decided_in_a_few_steps_for_each_provision():
    held = pair(AT_THE_BOUNDS)
    for terms in held.consents:
        check_terms(terms)
    check_active(held.consents)
    assert len(encode(held)) < TERMS
    provisions = sum(1 + len(root.exceptions) for root in AT_THE_BOUNDS)
    for classes in ((), ("Observation",), tuple(f"Class0{n}" for n in range(99))):
        asked = request(classes)
        spent = calls(lambda asked=asked: decide(POLICY, held, asked, now=NOW, caller="AlphaMSP"))
        assert provisions < spent < 20 * provisions


def test_naming_a_class_twice_changes_nothing():
    held = pair(AT_THE_BOUNDS)
    for once in (("Class01", "Class00"), ("Class00", "Observation")):
        twice = (once[0], *once)
        answers = [
            decide(POLICY, held, request(classes), now=NOW, caller="AlphaMSP") for classes in (once, twice)
        ]
        assert answers[0] == answers[1]
