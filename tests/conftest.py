"""What every part of the suite shares: real Fabric where its programs are, and one clear line where not."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from exchange import devnet
from exchange.devnet.administration import Administrator
from exchange.devnet.discovery import can_endorse
from exchange.devnet.errors import ProgramsError
from tests.support.postgres_server import MissingError, Server, running
from tests.support.postgres_server import programs as programs_of_postgres

_PATIENCE = 30.0
_ON_NETWORK = frozenset(
    f"tests/{name}.py"
    for name in (
        "compose/test_compose_files",
        "exchange/cli/test_network_command",
        "exchange/cli/test_policy_command",
    )
)
_NETWORK = "fabric"
_FIRST = (
    _NETWORK,
    *(
        f"tests/{name}.py"
        for name in (
            "exchange/node/test_migration_killed",
            "exchange/node/test_initialise",
            "scenarios/chaos/test_chaos_kill",
            "analytics/encrypted/bfv/test_held_out_rows",
            "scenarios/writes/test_clients_taken_back",
            "scenarios/chaos/test_chaos_database",
            "scenarios/chaos/test_chaos_revocation",
        )
    ),
)
"""The work that takes longest in few tests; begun last, it would leave the other processes idle."""
_NO_POSTGRES = "PostgreSQL is not tested"
_NO_FABRIC = "Fabric is not tested"


# A busy machine draws slowly, and that is no fault of a test.
settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_configure() -> None:
    """Draw the seed of tests by chance once, for all processes: each must collect the same tests."""
    os.environ.setdefault("CONSENTRY_TEST_SEED", str(random.randrange(2**32)))


class _Scheduling(LoadScopeScheduling):
    """Keeps a file's tests in one process, which shares their fixtures, and all on a real network in another.

    A network of its own in each process would be too much for two cores.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        on_network = file.startswith("tests/network/") or file in _ON_NETWORK
        return _NETWORK if on_network or "fabric" in Path(file).name + name else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        for scope in reversed(_FIRST):
            if scope in self.workqueue:
                self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduling:
    return _Scheduling(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    """With CONSENTRY_REQUIRE_FABRIC, fail at once where Fabric is not: a part left out would pass unseen."""
    wanted = any(item.get_closest_marker("fabric") for item in session.items)
    if wanted and os.environ.get("CONSENTRY_REQUIRE_FABRIC"):
        try:
            devnet.Programs.find()
        except ProgramsError as why:
            pytest.exit(f"error: {why}", returncode=1)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave tests on a real network out where Fabric is not; raised here, all of them share one line."""
    if item.get_closest_marker("fabric"):
        try:
            devnet.Programs.find()
        except ProgramsError as why:
            pytest.skip(f"{_NO_FABRIC}: {why}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say in the very last lines what was not tested, and how to have it tested."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    reasons = [str(report.longrepr[2]) for report in reporter.stats.get("skipped", [])]
    if any(_NO_POSTGRES in reason for reason in reasons):
        reporter.ensure_newline()
        reporter.write_line(
            "NOT TESTED: PostgreSQL. Its server is not installed, and this user can't install it.",
            yellow=True,
        )
    fabric = [reason for reason in reasons if _NO_FABRIC in reason]
    if fabric:
        reporter.ensure_newline()
        reporter.write_line(
            f"NOT TESTED: {len(fabric)} tests on a real Fabric network were left out. "
            f"{fabric[0].partition(_NO_FABRIC + ': ')[2]}",
            yellow=True,
        )


@pytest.fixture(autouse=True)
def _plain_logs() -> None:
    """Log everything, whatever a command that an earlier test ran in this process has set.

    It is without the locals of each frame, because to draw them takes seconds where records are large.
    """
    structlog.reset_defaults()
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, renderer])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; where it is missing and could be installed, what needs it fails."""
    try:
        programs_of_postgres()
    except MissingError as why:
        if os.geteuid() == 0:
            pytest.fail(str(why))
        pytest.skip(f"{_NO_POSTGRES}: {why}; this user can't install it")
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def programs() -> devnet.Programs:
    return devnet.Programs.find()


@pytest.fixture(scope="session")
def deployed() -> Callable[[devnet.Network, str], None]:
    """Puts the network's chaincode on its channel once more, under a name that has a state of its own."""
    return _deploy


def _deploy(running: devnet.Network, name: str) -> None:
    options = msgspec.structs.replace(running.topology.options, chaincode=name)
    topology = msgspec.structs.replace(running.topology, options=options)
    administrator = Administrator(running.programs, running.folder, topology)
    organisations = topology.organisations
    with ThreadPoolExecutor(len(organisations)) as threads:
        packages = [running.state.package_ids[one.name] for one in organisations]
        list(threads.map(administrator.approve, organisations, packages))
        administrator.commit()
        profiles = [
            msgspec.structs.replace(running.profile(one.name), chaincode=name) for one in organisations
        ]
        ready = threads.map(lambda profile: can_endorse(profile, seconds=_PATIENCE), profiles)
        assert all(ready), f"{name} finds no endorsers"
