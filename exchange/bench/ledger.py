"""The ledger alone: decided and logged accesses a second, their latency, and their cost.

No HTTP and no documents: the typed client that the gateway's services call, over the embedded ledger, or
over a Fabric network of processes that is brought up for it, with the options that `network up` has.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
import uvloop

from chaincode.access.calls import Authorize
from chaincode.access.model import AccessRequest
from chaincode.consent.calls import Opening, ReadPair
from chaincode.consent.model import Condition, Provision, Terms
from chaincode.encoding import encode
from exchange import devnet
from exchange.bench.report import Row, percentile
from exchange.ledger.client import LedgerClient, SubjectRequest
from exchange.ledger.consortium_policy import founding_policy
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.fabric.gateway.transactions import IN_FLIGHT, FabricTransactions
from exchange.ledger.port import Transactions

CONCURRENT = (1, 16, 64, 256)
_PAIRS = 64
_EVALUATING = 64
_MEBIBYTE = 1024 * 1024
_EMBEDDED_MEMBERS = ("Hospital1MSP", "Hospital2MSP", "Hospital3MSP")
_GRANT = Terms("1" * 32, 1, "active", "patient", Provision("permit", when=Condition(purposes=("TREAT",))))


def measure(*, fabric: bool, organisations: Sequence[int], seconds: float, grown: int = 0) -> list[Row]:
    """Measure one ledger; on Fabric all rows for the first of `organisations`, the growth for the others.

    `seconds` is for each measurement. With `grown`, so many accesses are put on the first ledger behind
    that, to see what its size costs. Needs Fabric's programs for `fabric`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="consentry-bench-") as scratch,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        sys.setswitchinterval(0.001)  # as a gateway that serves
        if not fabric:
            return runner.run(_embedded(Path(scratch), seconds, grown))
        rows = _fabric(runner, Path(scratch) / "network", organisations[0], seconds, grown)
        for count in organisations[1:]:
            rows += _growth(runner, Path(scratch) / f"network-{count}", count, seconds)
        return rows


# -- the two ledgers ---------------------------------------------------------------


async def _embedded(scratch: Path, seconds: float, grown: int) -> list[Row]:
    EmbeddedLedger.create_key(scratch / "node.key")
    path = scratch / "ledger.db"
    opened = EmbeddedLedger.open(path, key=scratch / "node.key", msp_id=_EMBEDDED_MEMBERS[0])
    async with _load(opened, 1, _EMBEDDED_MEMBERS) as load:
        rows = await _all(load, seconds, _Costs({"gateway": [psutil.Process()]}, {"ledger": path}))
        return rows + await _grown(load, grown, seconds)


def _fabric(runner: asyncio.Runner, root: Path, count: int, seconds: float, grown: int) -> list[Row]:
    times = []
    for _ in range(2):  # two measurements of a new ledger show their spread
        started = time.perf_counter()
        devnet.up(root, devnet.Options(organisations=count))
        times.append(time.perf_counter() - started)
        devnet.reset(root)
    with devnet.up(root, devnet.Options(organisations=count)) as running:
        return [
            Row("ledger.up_s", min(times), "s from an empty folder to the first endorsement", "<= 5"),
            *runner.run(_on(running, seconds, grown)),
        ]


async def _on(running: devnet.Network, seconds: float, grown: int) -> list[Row]:
    async with _fabric_load(running) as load:
        rows = await _all(load, seconds, _network_costs(running))
        return rows + await _grown(load, grown, seconds)


def _growth(runner: asyncio.Runner, root: Path, count: int, seconds: float) -> list[Row]:
    with devnet.up(root, devnet.Options(organisations=count)) as running:
        return runner.run(_growth_on(running, count, seconds))


async def _growth_on(running: devnet.Network, count: int, seconds: float) -> list[Row]:
    async with _fabric_load(running) as load:
        await _concurrently(load.grouped, 64, min(seconds, 1.0))
        alone = await _concurrently(load.grouped, 1, seconds)
        many = await _concurrently(load.grouped, 256, seconds)
    return [
        Row(f"ledger.alone_p50_ms_{count}_organisations", percentile(alone.seconds, 0.5) * 1000, "ms"),
        Row(f"ledger.per_s_256_{count}_organisations", many.per_second, "accesses/s"),
        Row(f"ledger.p99_256_ms_{count}_organisations", percentile(many.seconds, 0.99) * 1000, "ms"),
    ]


@asynccontextmanager
async def _fabric_load(running: devnet.Network) -> AsyncIterator[_Load]:
    members = tuple(organisation.msp_id for organisation in running.topology.organisations)
    opened = FabricTransactions.open(running.profile(running.topology.organisations[0].name))
    async with _load(opened, IN_FLIGHT, members) as load:
        yield load


# -- the requests --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Load:
    """The calls that are measured; each decides and logs one access of a pair that permits it."""

    transactions: Transactions
    client: LedgerClient
    pairs: tuple[str, ...]
    recipient: str
    ratio: str
    """The target of group commit's gain; empty where the ledger groups transactions itself."""

    def _request(self) -> AccessRequest:
        return AccessRequest(
            pair=secrets.choice(self.pairs),
            recipient=self.recipient,
            purpose="TREAT",
            action="read",
            user=secrets.token_hex(16),
            digest=secrets.token_hex(32),
            evidence=secrets.token_hex(32),
            classes=("Observation",),
        )

    async def grouped(self) -> None:
        """Ask as the gateway does."""
        request = self._request()
        answer = await self.client.authorize([SubjectRequest(bytes.fromhex(request.pair), request)])
        if answer.permit is None:
            raise RuntimeError("the bench's own consents do not permit")

    async def single(self) -> None:
        """Ask with a transaction of its own."""
        await self.transactions.submit("access:authorize", encode(Authorize((self._request(),))))

    async def evaluated(self) -> None:
        """Ask a question that writes nothing."""
        await self.transactions.evaluate("consent:read", encode(ReadPair(secrets.choice(self.pairs))))


@asynccontextmanager
async def _load(transactions: Transactions, in_flight: int, members: tuple[str, ...]) -> AsyncIterator[_Load]:
    client = LedgerClient(transactions, in_flight=in_flight)
    try:
        recipient = members[1] if len(members) > 1 else members[0]
        await client.found_policy(founding_policy(members))
        pairs = tuple(secrets.token_hex(16) for _ in range(_PAIRS))
        await client.open_pairs([Opening(pair, recipient, "patient", (_GRANT,)) for pair in pairs])
        yield _Load(transactions, client, pairs, recipient, ">= 8" if in_flight > 1 else "")
    finally:
        await client.close()


@dataclass(frozen=True, slots=True)
class _Measured:
    per_second: float
    seconds: list[float]


async def _concurrently(call: Callable[[], Awaitable[None]], count: int, seconds: float) -> _Measured:
    """Run `count` callers, each with its next call as soon as the last is answered."""
    taken: list[float] = []
    started = time.perf_counter()
    end = started + seconds

    async def caller() -> None:
        while (begun := time.perf_counter()) < end:
            await call()
            taken.append(time.perf_counter() - begun)

    await asyncio.gather(*(caller() for _ in range(count)))
    return _Measured(len(taken) / (time.perf_counter() - started), taken)


# -- their cost ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Costs:
    """The processes of each kind, and the folders of their data."""

    processes: dict[str, list[psutil.Process]]
    data: dict[str, Path]

    def cpu(self) -> dict[str, float]:
        """Return the seconds of processor time so far."""
        return {
            kind: sum(sum(one.cpu_times()[:2]) for one in found) for kind, found in self.processes.items()
        }

    def memory(self) -> dict[str, float]:
        """Return the resident bytes of the largest process of each kind."""
        return {kind: max(one.memory_info().rss for one in found) for kind, found in self.processes.items()}

    def disk(self) -> dict[str, int]:
        """Return the bytes of files, without space that is only allocated in advance."""
        return {kind: _size(path) for kind, path in self.data.items()}


def _network_costs(running: devnet.Network) -> _Costs:
    kinds: dict[str, list[psutil.Process]] = {"gateway": [psutil.Process()]}
    own = running.topology.organisations[0]
    for process in running.status():
        kind = process.name.partition(".")[0].rstrip("0123456789")
        if kind == "peer":
            kind = "own_peer" if process.name == own.peer else "other_peer"
        kinds.setdefault(kind, []).append(psutil.Process(process.pid))
    data = running.folder.data
    orderer = running.topology.orderers[0]
    return _Costs(kinds, {"peer": data / own.peer, "orderer": data / orderer.name})


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.name}*")
    return sum(min(one.stat().st_size, one.stat().st_blocks * 512) for one in files if one.is_file())


# -- rows ----------------------------------------------------------------------------


async def _all(load: _Load, seconds: float, costs: _Costs) -> list[Row]:
    gc.collect()
    gc.freeze()  # as a gateway that serves
    await _concurrently(load.grouped, 64, min(seconds, 1.0))  # caches, connections, first samples
    rows: list[Row] = []
    grouped: dict[int, _Measured] = {}
    for count in CONCURRENT[:-1]:
        grouped[count] = await _concurrently(load.grouped, count, seconds)
    cpu, disk = costs.cpu(), costs.disk()
    most = CONCURRENT[-1]
    grouped[most] = await _concurrently(load.grouped, most, seconds)
    accesses = len(grouped[most].seconds)
    spent = {kind: now - cpu[kind] for kind, now in costs.cpu().items()}
    written = {kind: now - disk[kind] for kind, now in costs.disk().items()}
    single = {count: await _concurrently(load.single, count, seconds) for count in CONCURRENT}
    evaluated = await _concurrently(load.evaluated, _EVALUATING, seconds)
    best = max(one.per_second for one in single.values())
    rows += [
        Row("ledger.alone_p50_ms", percentile(grouped[1].seconds, 0.5) * 1000, "ms", "<= 12"),
        Row("ledger.per_s_256", grouped[most].per_second, "accesses/s", ">= 4000"),
        Row("ledger.p99_256_ms", percentile(grouped[most].seconds, 0.99) * 1000, "ms", "<= 300"),
        Row("ledger.ratio_single", grouped[most].per_second / best, "of one transaction each", load.ratio),
    ]
    for name, measured in (("", grouped), ("single_", single)):
        for count, one in measured.items():
            rows += [
                Row(f"ledger.{name}per_s_{count}", one.per_second, "accesses/s"),
                Row(f"ledger.{name}p50_ms_{count}", percentile(one.seconds, 0.5) * 1000, "ms"),
                Row(f"ledger.{name}p99_ms_{count}", percentile(one.seconds, 0.99) * 1000, "ms"),
            ]
    rows.append(Row("ledger.evaluate_per_s", evaluated.per_second, "questions/s"))
    rows.append(Row("ledger.evaluate_p50_ms", median(evaluated.seconds) * 1000, "ms"))
    rows += [
        Row(f"ledger.cpu_us_{kind}", value / accesses * 1e6, "µs of processor time an access, at 256")
        for kind, value in spent.items()
    ]
    rows += [
        Row(f"ledger.bytes_{kind}", value / accesses, "bytes on disk an access")
        for kind, value in written.items()
    ]
    rows += [
        Row(f"ledger.memory_mib_{kind}", value / _MEBIBYTE, "MiB resident")
        for kind, value in costs.memory().items()
    ]
    return [row for index, row in enumerate(rows) if row.name not in {one.name for one in rows[:index]}]


async def _grown(load: _Load, accesses: int, seconds: float) -> list[Row]:
    """Measure with an eighth, a quarter, half and all of `accesses` on the ledger besides."""
    most, done = CONCURRENT[-1], 0
    rows: list[Row] = []
    for mark in (accesses // 8, accesses // 4, accesses // 2, accesses) if accesses else ():
        one: _Measured | None = None
        while one is None or done < mark:
            one = await _concurrently(load.grouped, most, seconds)
            done += len(one.seconds)
        p99 = percentile(one.seconds, 0.99) * 1000
        rows.append(Row(f"ledger.per_s_256_at_{mark}", one.per_second, "accesses/s"))
        rows.append(Row(f"ledger.p99_256_ms_at_{mark}", p99, "ms"))
    return rows
