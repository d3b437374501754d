"""Acknowledged changes stay in force, however late and in which order the ledger commits.

A machine changes, ends and reads consents while calls to the ledger are lost, answered without being
heard, or delivered long after. The ledger's own state is the judge. CONSENTRY_TEST_SCALE lengthens it.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, rule

from exchange.consent.compile import CompiledConsent, concerns
from exchange.errors import UnavailableError
from tests.support.pairs_site import MEMBERS, A, B, C, Fate, Site, draft, opened_site, towards

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
FATES: st.SearchStrategy[list[Fate]] = st.lists(
    st.sampled_from(["commits", "answer-lost", "late", "late", "never"]), max_size=3
)
NAMES = st.sampled_from(["c0", "c1"])
OTHERS = st.sampled_from([B, C])


class LateCommits(RuleBasedStateMachine):
    """The model: the newest version of each consent that was acknowledged, and the newest stored.

    Calls go to the ledger side by side, so which of them meets a fate is not the same each time: a rule that
    finds nothing to do does nothing, because the same choices must be open when a machine is run again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.site: Site = self.runner.run(self.stack.enter_async_context(opened_site()))
        self.acknowledged: dict[str, int] = {}

    def meeting(self, fates: list[Fate], work: Any) -> Any:
        """Return the result of `work` while the ledger does this; None where it can't be reached."""
        self.site.ledger.fates.extend(fates)
        try:
            return self.runner.run(work)
        except UnavailableError:
            return None
        finally:
            self.site.ledger.fates.clear()

    @rule(name=NAMES, recipients=st.sets(st.sampled_from([A, B, C]), min_size=1), fates=FATES)
    def grant(self, name: str, recipients: set[str], fates: list[Fate]) -> None:
        self.change(draft(name, [towards(*sorted(recipients))]), fates)

    @rule(place=st.integers(0, 20), how=st.sampled_from(["inactive", "unfiled", "for others"]), fates=FATES)
    def end(self, place: int, how: str, fates: list[Fate]) -> None:
        if not self.site.stored:
            return
        name = sorted(self.site.stored)[place % len(self.site.stored)]
        if how == "for others":
            self.change(draft(name, [towards(A)]), fates)
        else:
            self.change(draft(name, [], status=how), fates)

    @rule(recipients=st.sets(st.sampled_from([A, B, C]), min_size=1), fates=FATES)
    def deny(self, recipients: set[str], fates: list[Fate]) -> None:
        withheld = towards(*sorted(recipients), effect="deny", purposes=("HRESCH",))
        self.change(draft("denial", [withheld]), fates)

    def change(self, one: CompiledConsent, fates: list[Fate]) -> None:
        async def put() -> bool:
            await self.site.put(one)
            return True

        if self.meeting(fates, put()):
            self.acknowledged |= {name: known.version for name, known in self.site.stored.items()}
        self.check()

    @rule(recipient=OTHERS, fates=FATES)
    def read(self, recipient: str, fates: list[Fate]) -> None:
        is_open = self.meeting(fates, self.site.ensure(recipient))
        if is_open is not None:
            self.check_newest(recipient, is_open=is_open)
        self.check()

    @rule(place=st.integers(0, 20))
    def deliver(self, place: int) -> None:
        if self.site.ledger.late:
            self.runner.run(self.site.ledger.deliver(place))
            self.check()

    @rule(fates=FATES)
    def restart(self, fates: list[Fate]) -> None:
        self.site.restart()
        self.meeting(fates, self.site.pairs.publish_all())
        self.check()

    def held(self, recipient: str) -> dict[str, Any] | None:
        """Return the terms of each consent in one pair; None where the ledger has no such pair."""
        pair = self.runner.run(self.site.held(recipient))
        if pair is None:
            return None
        by_id = {terms.id: terms for terms in pair.consents}
        return {
            name: by_id.get(self.runner.run(self.site.terms_id(name, recipient))) for name in self.site.stored
        }

    def check(self) -> None:
        """Check that no pair has, for any consent, less than was acknowledged."""
        for recipient in (A, B, C):
            held = self.held(recipient)
            for name, terms in (held or {}).items():
                version = self.acknowledged.get(name, 0)
                assert terms is None or terms.version >= version, f"{name} towards {recipient}"
                newest = self.site.stored[name]
                if newest.version == version and concerns_now(newest, recipient):
                    assert terms is not None, f"{name} towards {recipient} is missing"

    def check_newest(self, recipient: str, *, is_open: bool) -> None:
        """Check the premise of a read: an open pair holds all that is stored, acknowledged or not."""
        held = self.held(recipient)
        assert not is_open or held is not None
        for name, terms in (held or {}).items():
            newest = self.site.stored[name]
            if concerns_now(newest, recipient):
                assert terms is not None
                assert (terms.status, terms.version) == ("active", newest.version)
            else:
                assert terms is None or (terms.status, terms.version) == ("inactive", newest.version)

    def teardown(self) -> None:
        while self.site.ledger.late:
            self.runner.run(self.site.ledger.deliver(-1))
            self.check()
        self.site.restart()
        self.runner.run(self.site.pairs.publish_all())
        for recipient in (A, B, C):
            is_open = self.runner.run(self.site.ensure(recipient))
            self.check_newest(recipient, is_open=is_open)
        self.runner.run(self.stack.aclose())
        self.runner.close()


def concerns_now(one: Any, recipient: str) -> bool:
    return one.status == "active" and concerns(one, recipient, MEMBERS)


TestLateCommits = LateCommits.TestCase
TestLateCommits.settings = settings(
    max_examples=max(1, int(40 * SCALE)),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
