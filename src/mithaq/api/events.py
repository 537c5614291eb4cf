"""The journal as server-sent events, for programs of this nation."""

import json
from collections.abc import AsyncIterator

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from mithaq.api.access import bearer
from mithaq.api.problems import problem, status_of
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.errors import Error
from mithaq.kernel.journal import Entry
from mithaq.nations.people.model import Verb
from mithaq.node.composition import Node
from mithaq.node.feed import Feed

_PRIVATE = "people."
"""The audit is read by auditors on its page, not by programs."""


def route(node: Node, feed: Feed) -> Route:
    """Return the route `/events`."""
    check = bearer(node, Verb.EVENTS_READ)

    async def events(request: Request) -> Response:
        try:
            await anyio.to_thread.run_sync(check, request)
        except Error as error:
            return problem(status_of(error), error.code, str(error))
        asked = request.headers.get("last-event-id") or request.query_params.get("after", "")
        after = int(asked) if asked.isdecimal() and len(asked) < 19 else None
        return StreamingResponse(_stream(feed, after), media_type="text/event-stream")

    return Route("/events", events)


async def _stream(feed: Feed, after: int | None) -> AsyncIterator[str]:
    """Send entries as they are committed; the journal itself is the queue, so a slow reader costs no memory."""
    async for batch in feed.follow(after):
        yield "".join(map(_event, batch)) if batch else ": still here\n\n"


def _event(entry: Entry) -> str:
    if entry.kind.startswith(_PRIVATE):
        return f"id: {entry.seq}\n\n"
    told = {
        "seq": entry.seq,
        "at": rfc3339(entry.at),
        "kind": entry.kind,
        "subject": entry.subject,
        "lane": str(entry.lane),
        "actor": entry.actor,
        "detail": entry.detail,
    }
    return f"id: {entry.seq}\nevent: {entry.kind}\ndata: {json.dumps(told)}\n\n"
