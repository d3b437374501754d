"""A job has no permission of its own: each of its steps asks the ledger, and stops when consent ends."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chaincode.access.model import Action
from exchange.runtime.quota import MemoryQuota
from exchange.services.access.allowances import EntryAllowances
from exchange.services.access.enforcement import Enforcement
from exchange.services.access.releases import ReleaseNotes
from exchange.services.consents.conditions import SealedConditions
from exchange.services.jobs.kinds import Finished, JobKind, JobKinds, NextStep, StepContext
from exchange.services.jobs.queue import JobQueue
from exchange.services.jobs.runner import JobRunner
from exchange.store.engine.database import Database
from exchange.store.log import log_tables
from exchange.store.migrations.create import create_log
from exchange.store.records.jobs import JobState
from tests.support.jobs_site import SEAL, SYSTEM, Count, Counted, row_of
from tests.support.pairs_site import B, draft, opened_site, towards


async def test_each_step_asks_the_ledger_anew_and_a_revocation_holds_for_the_next(tmp_path: Path) -> None:
    async with opened_site() as site:
        entries = Database(tmp_path / "log.db", log_tables.metadata, durable=False, begin=create_log)
        enforcement = Enforcement(
            base="https://a.example/fhir",
            references=site.references,
            keys=site.keys,
            links=site.links,
            pairs=site.pairs,
            ledger=site.client,
            entries=entries,
            conditions=SealedConditions(site.records),
            allowances=EntryAllowances(1_000),
            releases=ReleaseNotes(ledger=site.client, entries=entries, keys=site.keys),
        )
        patient = await site.patient()
        told: list[tuple[str, bool]] = []

        async def step(context: StepContext[Count], cursor: Counted) -> NextStep[Counted] | Finished:
            answer = await context.ask(
                Action.READ, "read", "Observation/o", [patient.token], classes=("Observation",)
            )
            told.append((answer.tx_id, answer.permits([patient.token])))
            if cursor.at == 1:
                await site.put(draft("c", [], status="inactive"))
            return NextStep(Counted(cursor.at + 1)) if answer.permit else Finished()

        await site.put(draft("c", [towards(B)]))
        kinds = JobKinds([JobKind("read", Count, Counted(), step)])
        asking = msgspec.structs.replace(SYSTEM, organization=B, client_id="lab", user="lab", purpose="TREAT")
        job = await JobQueue(site.records, kinds, SEAL).add(asking, "read", {"steps": 9})
        runner = JobRunner(
            records=site.records,
            kinds=kinds,
            seal=SEAL,
            enforcement=enforcement,
            quota=MemoryQuota(1 << 20),
        )
        assert await runner.run_next()
        assert [permitted for _, permitted in told] == [True, True, False]
        assert len({tx_id for tx_id, _ in told}) == 3
        assert (await row_of(site.records, job)).state is JobState.DONE
        entries.close()
