"""FHIR files become batches of work that can be loaded, named when broken, and gone on with after a stop.

```python
async with BulkLoad(...) as load:
    plan = find([Path("exports")], await load.positions())
    async for batches in load.load(cut(plan)):
        ...               # they are stored, and so is how far their files are done; tell of their faults
```

`files` finds files and puts them in order, `chunks` cuts them with bounded memory, `batches` takes a chunk
apart and `documents` one JSON document. `load` cuts in one process and stores there in the order of the
`ordered_queue`; each `worker` is a process that takes apart, checks and indexes. `positions` are how far
files are done. Nothing here raises for the content of a file: a broken line or file is a `LoadFault` with its
place, and the rest goes on.
"""

from exchange.load.batches import Batch, split_chunk
from exchange.load.chunks import Chunk, ChunkLimits, cut
from exchange.load.documents import LoadFault, SourceDocument
from exchange.load.files import LoadPlan, SourceFile, find
from exchange.load.positions import FilePosition

__all__ = [
    "Batch",
    "Chunk",
    "ChunkLimits",
    "FilePosition",
    "LoadFault",
    "LoadPlan",
    "SourceDocument",
    "SourceFile",
    "cut",
    "find",
    "split_chunk",
]
