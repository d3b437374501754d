"""The hospital's side of the evaluator's HTTP service: fetch offers, ask for scores, send keys when needed.

Refusals arrive as the exceptions of `errors`, whatever process they were raised in. Keys are sent when the
evaluator says that it does not hold them (a new client, or one it forgot), and the question is then asked
again with a fresh encryption. What came out of an answer is never sent anywhere.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx
import numpy.typing as npt

from analytics.encrypted.artefacts import Offer
from analytics.encrypted.client import Client, Query, Score
from analytics.encrypted.framing import Kind, unframe
from analytics.errors import AnalyticsError, MismatchError, UnknownError, WorkerLostError, by_code

_BINARY = {"content-type": "application/octet-stream"}
_LARGEST_ANSWER = 4 << 20


@dataclass(frozen=True)
class RemoteScore:
    """Scores with the commitments that a log entry needs: SHA-256 of what was sent and what came back."""

    scores: tuple[Score, ...]
    model: str
    query_digest: str
    answer_digest: str


class RemoteEvaluator:
    """An evaluator at the other end of an `httpx.AsyncClient` with its base URL and bearer token set."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def models(self) -> tuple[str, ...]:
        """Digests of the models that can be scored. Raises AnalyticsError."""
        return tuple((await self._call("GET", "/models")).json()["models"])

    async def offer(self, model: str) -> Offer:
        """The public side of a model.

        Raises:
            UnknownError: the evaluator does not have it.
            MismatchError: it sent another model's.
            ArtefactError: what it sent is damaged.
        """
        offer = Offer.read((await self._call("GET", f"/models/{model}/offer")).content)
        if offer.model != model:
            raise MismatchError("the evaluator sent the offer of another model")
        return offer

    async def score(self, client: Client, table: npt.ArrayLike) -> RemoteScore:
        """Scores for up to `client.patients` rows of feature values.

        Encryption and decryption run in a thread, a few milliseconds each.

        Raises:
            WorkerLostError: the evaluator can't be reached or lost the request; ask again.
            BusyError: a limit is reached; ask again later.
            ArtefactError, GarbledAnswerError: the answer can't be used.
        """
        query, answer = await self.ask(client, table)
        scores = await asyncio.to_thread(client.open, query, answer)
        digest = unframe(answer, Kind.ANSWER, sections=(1,)).digest
        return RemoteScore(tuple(scores), client.offer.model, query.digest, digest)

    async def ask(self, client: Client, table: npt.ArrayLike) -> tuple[Query, bytes]:
        """What `score` sends, and what comes back, still to be opened.

        Raises:
            WorkerLostError: the evaluator can't be reached or lost the request; ask again.
            BusyError: a limit is reached; ask again later.
            AnalyticsError: another refusal of the evaluator.
        """
        try:
            return await self._ask(client, table)
        except UnknownError:
            await self._call("PUT", "/keys", client.keys)
            return await self._ask(client, table)

    async def _ask(self, client: Client, table: npt.ArrayLike) -> tuple[Query, bytes]:
        query = await asyncio.to_thread(client.encrypt, table)
        return query, (await self._call("POST", "/score", query.data)).content

    async def _call(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        try:
            async with self._http.stream(
                method, path, content=body, headers=_BINARY if body else None
            ) as reply:
                content = await _bounded(reply)
        except httpx.HTTPError as error:
            raise WorkerLostError("the evaluator can't be reached") from error
        whole = httpx.Response(reply.status_code, content=content)
        if whole.is_success:
            return whole
        raise _refusal(whole)


async def _bounded(reply: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in reply.aiter_bytes():
        size += len(part)
        if size > _LARGEST_ANSWER:
            raise MismatchError("the evaluator's reply is too large to be an answer")
        parts.append(part)
    return b"".join(parts)


def _refusal(reply: httpx.Response) -> AnalyticsError:
    try:
        body = reply.json()
        return by_code(str(body["code"]))(str(body["message"]))
    except (ValueError, KeyError, TypeError):
        return WorkerLostError(f"the evaluator answered with status {reply.status_code}")
