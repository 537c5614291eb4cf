"""Telemetry pushed over the API: NDJSON, kept durably before it is accepted."""

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from mithaq.api.access import bearer
from mithaq.nations.people.model import Verb
from mithaq.node.composition import Node
from mithaq.telemetry.settings import TelemetryLimits

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
        openapi_extra={"requestBody": {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
    )
    async def push(source: str, body: Annotated[bytes, Depends(_body)]) -> Accepted:
        """Take events, one JSON object a line, for a source that takes pushed lines."""
        return Accepted(lines=await anyio.to_thread.run_sync(node.telemetry.push, source, body))

    return routes


async def _body(request: Request) -> bytes:
    return await request.body()
