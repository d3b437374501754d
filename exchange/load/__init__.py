"""FHIR files become units of work that can be loaded, named when broken, and gone on with after a stop.

```python
with Journal(state / "load.journal") as journal:
    plan = find([Path("exports")], journal)
    for unit in read(plan):
        ...               # store unit.items, tell of unit.faults
        journal.done(unit)
```

`files` finds files and puts them in order, `pieces` cuts them with bounded memory, `units` takes a piece
apart and `items` one JSON document, `journal` remembers how far a load got. A load over several processes
cuts in one and takes apart in the others; `read` does both. Nothing here raises for what a file contains: a
broken line or file is a `Fault` with its place, and the rest goes on.
"""

from exchange.load.batches import Unit, read, take_apart
from exchange.load.chunks import Limits, Piece, cut
from exchange.load.documents import Fault, Item
from exchange.load.files import Plan, SourceFile, find
from exchange.load.journal import Journal, JournalError, Position

__all__ = [
    "Fault",
    "Item",
    "Journal",
    "JournalError",
    "Limits",
    "Piece",
    "Plan",
    "Position",
    "SourceFile",
    "Unit",
    "cut",
    "find",
    "read",
    "take_apart",
]
