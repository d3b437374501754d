"""FHIR files become units of work that can be loaded, named when broken, and gone on with after a stop.

```python
with Journal(state / "load.journal") as journal:
    plan = find([Path("exports")], journal)
    for unit in read(plan):
        ...               # store unit.items, tell of unit.faults
        journal.done(unit)
```

`items` takes one JSON document apart, `files` finds files and puts them in order, `units` reads them with
bounded memory, `journal` remembers how far a load got. Nothing here raises for what a file contains: a
broken line or file is a `Fault` with its place, and the rest goes on.
"""

from exchange.reading.files import Plan, SourceFile, find
from exchange.reading.items import Fault, Item
from exchange.reading.journal import Journal, JournalError, Position
from exchange.reading.units import Limits, Unit, read

__all__ = [
    "Fault",
    "Item",
    "Journal",
    "JournalError",
    "Limits",
    "Plan",
    "Position",
    "SourceFile",
    "Unit",
    "find",
    "read",
]
