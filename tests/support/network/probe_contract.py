"""A chaincode for tests of the ledger's plumbing: one function for each thing a stub can do.

Run as a program it serves this instead of the project's contracts. The argument is JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from chaincode.__main__ import main
from chaincode.encoding import composite_key, prefix_range
from chaincode.errors import ConflictError, NotFoundError, from_code
from chaincode.shim.endorsement import all_of
from chaincode.shim.stub import Stub

Function = Callable[[Stub, Any], Awaitable[Any]]


async def put(stub: Stub, given: dict[str, str]) -> Any:
    for key, value in given.items():
        stub.put(key, value.encode())
    stub.emit("put", json.dumps(sorted(given)).encode())
    return {"tx": stub.tx_id, "time": stub.timestamp}


async def get(stub: Stub, key: str) -> Any:
    value = await stub.get(key)
    if value is None:
        raise NotFoundError(f"nothing under that key of {len(key)} letters")
    return value.decode()


async def get_many(stub: Stub, keys: list[str]) -> Any:
    return [None if value is None else value.decode() for value in await stub.get_many(keys)]


async def increment(stub: Stub, key: str) -> Any:
    value = int(await stub.get(key) or b"0") + 1
    stub.put(key, str(value).encode())
    return value


async def note(stub: Stub, given: dict[str, str]) -> Any:
    stub.put(composite_key("note", given["subject"], given["id"]), given["id"].encode())
    stub.emit("note", given["id"].encode())
    return given["id"]


async def notes(stub: Stub, given: dict[str, Any]) -> Any:
    start, end = prefix_range("note", (given["subject"],))
    page = await stub.range(start, end, limit=given["limit"], bookmark=given.get("bookmark", ""))
    return {"values": [entry.value.decode() for entry in page.entries], "bookmark": page.bookmark}


async def count_and_note(stub: Stub, subject: str) -> Any:
    """Read a page of a range and write into it, which the peer's own pagination would refuse."""
    start, end = prefix_range("note", (subject,))
    page = await stub.range(start, end, limit=1)
    stub.put(composite_key("note", subject, f"~{stub.tx_id}"), b"counted")
    return len(page.entries)


async def history(stub: Stub, key: str) -> Any:
    return [
        [past.tx_id, past.timestamp, past.value.decode() if past.value else None]
        for past in await stub.history(key)
    ]


async def who(stub: Stub, _: Any) -> Any:
    return {"msp": stub.caller.msp_id, "subject": stub.caller.subject, "attributes": stub.caller.attributes}


async def transient(stub: Stub, _: Any) -> Any:
    return {name: value.decode() for name, value in stub.transient.items()}


async def refuse(stub: Stub, given: dict[str, str]) -> Any:
    stub.put("refused", b"never")
    raise from_code(given["code"], given["message"])


async def crash(stub: Stub, given: str) -> Any:
    raise ValueError(f"a secret: {given}")


async def wait(stub: Stub, seconds: float) -> Any:
    await asyncio.sleep(seconds)
    return seconds


async def keep(stub: Stub, key: str) -> Any:
    stub.put_private("secrets", key, stub.transient["value"])
    return key


async def recall(stub: Stub, key: str) -> Any:
    value = await stub.get_private("secrets", key)
    page = await stub.range_private("secrets", "", "", limit=10)
    digest = await stub.get_private_hash("secrets", key)
    return {
        "value": value.decode() if value else None,
        "keys": [entry.key for entry in page.entries],
        "hash": digest.hex() if digest else None,
    }


async def purge(stub: Stub, key: str) -> Any:
    stub.purge_private("secrets", key)
    return key


async def guard(stub: Stub, given: dict[str, Any]) -> Any:
    stub.put(given["key"], b"guarded")
    stub.require(given["key"], all_of(given["msp_ids"]))
    return given["key"]


async def guarded(stub: Stub, key: str) -> Any:
    policy = await stub.required(key)
    return None if policy is None else policy.hex()


async def unknown_collection(stub: Stub, key: str) -> Any:
    await stub.get_private("no-such-collection", key)


FUNCTIONS: dict[str, Function] = {
    function.__name__: function
    for function in (
        put,
        get,
        get_many,
        increment,
        note,
        notes,
        count_and_note,
        history,
        who,
        transient,
        refuse,
        crash,
        wait,
        keep,
        recall,
        purge,
        guard,
        guarded,
        unknown_collection,
    )
}


async def invoke(stub: Stub, function: str, argument: bytes) -> bytes:
    if function not in FUNCTIONS:
        raise ConflictError("no such function")
    return json.dumps(await FUNCTIONS[function](stub, json.loads(argument)), sort_keys=True).encode()


if __name__ == "__main__":
    sys.exit(main(invoke))
