"""Progress of long work, which can be stopped between two units without losing one.

On a terminal there is a bar with rate and time left; elsewhere (a log, a pipe) a plain line now and then.
The first Ctrl-C lets the current unit finish and prints how to resume; the second stops at once.

```python
with TrackedWork("Loading", total=plan.size, go_on="run the same command again to go on") as work:
    for unit in work.each(read(plan)):
        ...
        work.advance(unit.size, count=len(unit.items))
```
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

T = TypeVar("T")

_EVERY = 10.0
"""Seconds between two plain lines."""


class TrackedWork:
    """Shows the progress of one long task while it is open, and its outcome when it closes.

    `total` is in the steps that `advance` counts (bytes, say); the rate is of what it counts as done,
    named by `counted`. After the block, `interrupted` says whether Ctrl-C ended it early.
    """

    def __init__(
        self,
        title: str,
        *,
        total: float,
        go_on: str,
        counted: str = "records",
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.count = 0
        self.interrupted = False
        self._title = title
        self._total = total
        self._done = 0.0
        self._go_on = go_on
        self._counted = counted
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._started = self._told = clock()
        self._bar: tuple[Progress, TaskID] | None = None
        self._before: signal.Handlers | Callable[[int, FrameType | None], object] | int | None = None

    def each(self, units: Iterable[T]) -> Iterator[T]:
        """Yield `units`, up to the one during which Ctrl-C was pressed."""
        for unit in units:
            yield unit
            if self.interrupted:
                return

    def advance(self, steps: float, *, count: int = 0) -> None:
        """Add `steps` of the total, and `count` more counted items, to the progress shown."""
        self._done += steps
        self.count += count
        if self._bar:
            progress, task = self._bar
            progress.update(task, completed=self._done, told=self._rated())
        elif self._clock() - self._told >= _EVERY:
            self._told = self._clock()
            self._say(f"{self._title} {self._share():.0%}: {self._rated()}{self._left()}")

    def __enter__(self) -> TrackedWork:
        self._started = self._told = self._clock()
        if self._console.is_terminal:
            progress = _bars(self._console)
            self._bar = progress, progress.add_task(self._title, total=self._total, told="")
            progress.start()
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()
        if self._bar:
            self._bar[0].stop()
        if self.interrupted or (kind is not None and issubclass(kind, KeyboardInterrupt)):
            self.interrupted = True
            self._say(f"{self._title} stopped after {self._rated()}; {self._go_on}")
        elif kind is None:
            self._say(f"{self._title} done: {self._rated()}")

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.interrupted = True
        # The second Ctrl-C is for its former handler. Nothing is printed from a signal handler;
        # the bar, where there is one, shows the new title when it next redraws itself.
        self._restore()
        if self._bar:
            progress, task = self._bar
            progress.update(
                task, description=f"{self._title} (finishing this unit; Ctrl-C again to stop now)"
            )

    def _restore(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _share(self) -> float:
        return min(1.0, self._done / self._total) if self._total else 1.0

    def _rated(self) -> str:
        elapsed = max(self._clock() - self._started, 1e-9)
        return f"{self.count:,} {self._counted}, {self.count / elapsed:,.0f}/s"

    def _left(self) -> str:
        if not 0 < self._share() < 1:
            return ""
        seconds = (self._clock() - self._started) * (1 / self._share() - 1)
        minutes, seconds = divmod(round(seconds), 60)
        return f", {minutes} min {seconds} s left" if minutes else f", {seconds} s left"

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class Stages:
    """The progress of each part of a check, while it is open: bars on a terminal, and nothing elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._bars = _bars(console, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def progress(self, part: str, done: int, of: int) -> None:
        """Show that `done` of `of` steps of `part` are done."""
        if part not in self._tasks:
            self._tasks[part] = self._bars.add_task(part, total=of, told="")
        self._bars.update(self._tasks[part], completed=done, total=of)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


def _bars(console: Console, *, disable: bool = False) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=disable,
    )
