"""A risk model for those that tell stories or measure: trained here, evaluated by a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exchange.demo.process import GatewayStartError, await_ready, end, free_port
from exchange.node.folder import ModelFiles, NodeFolder
from exchange.node.identity.accepted_changes import use_model
from exchange.node.settings import RiskSettings

_TRAINING = 300.0


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A model's folders by role, where its evaluator will listen, and the hospital's bearer token."""

    hospital: Path
    evaluator: Path
    port: int
    token: str

    @property
    def url(self) -> str:
        """The evaluator's address."""
        return f"http://127.0.0.1:{self.port}"

    def used_by(self, node: NodeFolder, parameters: str = "fast") -> None:
        """Have `node` score with this model, from its next start on."""
        risk = RiskSettings(evaluator=self.url, parameters=parameters)  # type: ignore[arg-type]  # checked by use_model
        offer, card = ((self.hospital / name).read_bytes() for name in ("risk.offer", "card.json"))
        use_model(node, risk, ModelFiles(offer, card, self.token), by="demo")


class Training:
    """The diabetes model, in training by a process of its own since this was made; wait with `finished`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            _command("model", "train", str(folder / "owner"), "--no-pictures", *options),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finished(self) -> Evaluated:
        """Return the trained model, handed out to an evaluator and a hospital.

        Raises:
            GatewayStartError: training failed, or took more than five minutes.
        """
        try:
            _, said = self._process.communicate(timeout=_TRAINING)
        except subprocess.TimeoutExpired:
            self.abandon()
            raise GatewayStartError("the model was not trained in five minutes") from None
        if self._process.returncode != 0:
            raise GatewayStartError(f"the model was not trained: {said.strip()}")
        hospital, evaluator = self._folder / "hospital", self._folder / "evaluator"
        for role, to in (("hospital", hospital), ("evaluator", evaluator)):
            _run("model", "export", str(self._folder / "owner"), str(to), "--role", role)
        token = _run("evaluator", "client", str(evaluator), "city-hospital").strip()
        return Evaluated(hospital, evaluator, free_port(), token)

    def abandon(self) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def evaluating(evaluated: Evaluated, *, workers: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Start the evaluator as a process, ready to answer; end it cleanly afterwards.

    Raises:
        GatewayStartError: it ended before it answered, or took longer than half a minute.
    """
    port, count = str(evaluated.port), str(workers)
    process = subprocess.Popen(
        _command("evaluator", "serve", str(evaluated.evaluator), "--port", port, "--workers", count),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_ready(process, f"{evaluated.url}/health")
        yield process
    finally:
        end(process)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "exchange.cli", *arguments]


def _run(*arguments: str) -> str:
    done = subprocess.run(_command(*arguments), check=False, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise GatewayStartError(f"{' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout
