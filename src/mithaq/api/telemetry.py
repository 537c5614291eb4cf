"""Telemetry pushed over the API: NDJSON, kept durably before it is accepted."""

from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from mithaq.api.access import bearer
from mithaq.nations.people.model import Verb
from mithaq.node.composition import Node
from mithaq.telemetry.settings import TelemetryLimits

MEDIA_TYPES = ("application/x-ndjson", "application/json", "text/plain")
MAX_PUSH_BYTES = TelemetryLimits().max_push_bytes


class Accepted(BaseModel):
    """How many lines were kept; the detector reads them at once."""

    lines: int


def router(node: Node) -> APIRouter:
    """Return the routes of telemetry."""
    routes = APIRouter(tags=["telemetry"])

    @routes.post(
        "/telemetry/{source}",
        status_code=202,
        dependencies=[Depends(bearer(node, Verb.TELEMETRY_PUSH))],
        openapi_extra={"requestBody": {"content": {kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES}}},
    )
    async def push(source: str, request: Request, body: Annotated[bytes, Depends(_body)]) -> Accepted:
        """Take events for a source that takes pushed lines: lines, a JSON array, or JSON objects one after another.

        The body may be compressed (`Content-Encoding: gzip`, `deflate` or `zstd`). The answer comes once the events
        are on disk. 413, 415 and 400 are final; after 503, which a full disk gives, send the same body again.
        """
        headers = request.headers
        keep = partial(
            node.telemetry.push,
            source,
            body,
            content_type=headers.get("content-type", ""),
            content_encoding=headers.get("content-encoding", ""),
        )
        return Accepted(lines=await anyio.to_thread.run_sync(keep))

    return routes


async def _body(request: Request) -> bytes:
    return await request.body()
