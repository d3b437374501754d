"""Bulk load: FHIR files as batches, with faults named by place, resumed after a stop.

```python
async with BulkLoad(...) as load:
    plan = find([Path("exports")], await load.positions())
    async for batches in load.load(cut(plan)):
        ...               # batches and the positions of their files are stored; report their faults
```

`files` finds files and puts them in order, `chunks` cuts them with bounded memory, `batches` splits a
chunk and `documents` one JSON document. `load` cuts in one process and stores there in the order of the
`ordered_queue`; each `worker` is a process that parses, checks and indexes. `positions` are the progress
in each file. Nothing here raises for the content of a file: a broken line or file is a `LoadFault` with its
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
