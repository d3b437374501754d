"""The hospital's client of the evaluator's HTTP service: fetches offers, asks for scores, sends keys.

Refusals arrive as the exceptions of `errors`, from whichever process raised them. Keys are sent when the
evaluator answers that it does not hold them (a new client, or one that it dropped), and the query is then
sent again, freshly encrypted. Decrypted values are never sent anywhere.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

import httpx
import msgspec
import numpy.typing as npt

from analytics.encrypted.artefacts import EncryptedQuery, ModelOffer
from analytics.encrypted.bfv.client import BfvClient, Score
from analytics.encrypted.framing import ArtefactKind, unframe
from analytics.errors import (
    AnalyticsError,
    ArtefactMismatchError,
    EvaluatorTlsError,
    UnknownDigestError,
    WorkerLostError,
    error_class,
)

_PLAIN = {"accept-encoding": "identity"}
_BINARY = {"content-type": "application/octet-stream"}
_MAX_ANSWER = 4 << 20


@dataclass(frozen=True)
class RemoteScores:
    """Scores with the commitments for a log entry: the SHA-256 of the query and of the answer."""

    scores: tuple[Score, ...]
    model: str
    query_digest: str
    answer_digest: str


class EvaluatorClient:
    """An evaluator at the other end of an `httpx.AsyncClient` with its base URL and bearer token set."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def models(self) -> tuple[str, ...]:
        """Return the digests of the models that can be scored. Raises AnalyticsError."""
        return tuple((await self._call("GET", "/models")).json()["models"])

    async def offer(self, model: str) -> ModelOffer:
        """Fetch the public side of a model.

        Raises:
            UnknownDigestError: the evaluator does not have it.
            ArtefactMismatchError: it sent another model's offer.
            ArtefactError: the offer is damaged.
        """
        offer = ModelOffer.read((await self._call("GET", f"/models/{model}/offer")).content)
        if offer.model != model:
            raise ArtefactMismatchError("the evaluator sent the offer of another model")
        return offer

    async def programs(self, model: str) -> dict[str, str]:
        """Return the digests of the compiled programs of a model that the evaluator says it has loaded.

        Raises:
            ArtefactMismatchError: the reply is none.
            AnalyticsError: a refusal of the evaluator.
        """
        reply = await self._call("GET", f"/models/{model}/programs")
        try:
            return msgspec.json.decode(reply.content, type=dict[str, str])
        except msgspec.MsgspecError:
            raise ArtefactMismatchError("the evaluator names no programs") from None

    async def score(self, client: BfvClient, table: npt.ArrayLike) -> RemoteScores:
        """Score up to `client.patients` rows of feature values.

        Encryption and decryption run in a thread, a few milliseconds each.

        Raises:
            WorkerLostError: the evaluator can't be reached or lost the request; ask again.
            EvaluatorBusyError: a limit is reached; ask again later.
            ArtefactError, GarbledAnswerError: the answer can't be used.
        """
        query, answer = await self.ask(client, table)
        scores = await asyncio.to_thread(client.open, query, answer)
        digest = unframe(answer, ArtefactKind.ANSWER, sections=(1,)).digest
        return RemoteScores(tuple(scores), client.offer.model, query.digest, digest)

    async def ask(self, client: BfvClient, table: npt.ArrayLike) -> tuple[EncryptedQuery, bytes]:
        """Send an encrypted query and return it with the answer, still encrypted.

        Raises:
            WorkerLostError: the evaluator can't be reached or lost the request; ask again.
            EvaluatorBusyError: a limit is reached; ask again later.
            AnalyticsError: another refusal of the evaluator.
        """
        try:
            return await self._ask(client, table)
        except UnknownDigestError:
            await self._call("PUT", "/keys", client.keys)
            return await self._ask(client, table)

    async def _ask(self, client: BfvClient, table: npt.ArrayLike) -> tuple[EncryptedQuery, bytes]:
        query = await asyncio.to_thread(client.encrypt, table)
        return query, (await self._call("POST", "/score", query.data)).content

    async def _call(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        try:
            headers = _PLAIN | (_BINARY if body else {})
            async with self._http.stream(method, path, content=body, headers=headers) as reply:
                content = await _read_bounded(reply)
        except httpx.HTTPError as error:
            if _is_of_tls(error):
                raise EvaluatorTlsError("TLS to the evaluator fails; check its certificate") from error
            raise WorkerLostError("the evaluator can't be reached") from error
        response = httpx.Response(reply.status_code, content=content)
        if response.is_success:
            return response
        raise _refusal(response)


def _is_of_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


async def _read_bounded(reply: httpx.Response) -> bytes:
    if reply.headers.get("content-encoding", "identity").lower() != "identity":
        # Unpacked by `httpx`, one part of a body could take a thousand times its size.
        raise ArtefactMismatchError("the evaluator's reply is packed, which was not asked for")
    parts, size = [], 0
    async for part in reply.aiter_bytes():
        size += len(part)
        if size > _MAX_ANSWER:
            raise ArtefactMismatchError("the evaluator's reply is too large to be an answer")
        parts.append(part)
    return b"".join(parts)


def _refusal(reply: httpx.Response) -> AnalyticsError:
    try:
        body = reply.json()
        return error_class(str(body["code"]))(str(body["message"]))
    except (ValueError, KeyError, TypeError):
        return WorkerLostError(f"the evaluator answered with status {reply.status_code}")
