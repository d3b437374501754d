"""`decide` and `admits` together say what a literal reading of the ADR says, of many random cases."""

import os
import random
from collections import Counter

from chaincode.access.model import Permitted
from chaincode.consent.rules import decide
from tests.support.ledger import consent_cases as cases
from tests.support.ledger.consent_oracle import may_see, unknowns

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
PAIRS = int(10_000 * SCALE)
MOST_UNKNOWNS = 10


def released(policy, pair, request, now, caller, record):
    decision = decide(policy, pair, request, now=now, caller=caller)
    return cases.releases(decision, cases.facts(record)), decision


def test_rules_and_obligations_agree_with_the_oracle_on_every_random_case():
    rng = random.Random(20261122)
    seen = Counter()
    while seen["cases"] < PAIRS:
        policy, pair = cases.policy(rng), cases.pair(rng)
        request = cases.request(rng, pair.recipient)
        caller = pair.custodian if rng.random() < 0.98 else "GammaMSP"
        for _ in range(4):
            record = cases.record(rng)
            if unknowns(pair, request, cases.NOW, record) > MOST_UNKNOWNS:
                continue
            expected = may_see(policy, pair, request, cases.NOW, caller, record)
            got, decision = released(policy, pair, request, cases.NOW, caller, record)
            asked = not request.classes or record["type"] in request.classes
            seen["cases"] += 1
            seen["permitted"] += expected
            seen[decision.outcome, isinstance(decision, Permitted) and bool(decision.obligations)] += 1
            # The ledger may refuse at once what is not asked for; it may never let it pass.
            assert got == expected if asked else got <= expected, (policy, pair, request, caller, record)
    # The random world is worth something only if it is neither all permitted nor all refused.
    assert seen["permitted"] > 0.1 * PAIRS
    assert min(seen["permit", True], seen["permit", False], seen["deny", False]) > 0.05 * PAIRS
