"""The overview: what happens now, told live from the journal."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import anyio.to_thread
from starlette.responses import Response, StreamingResponse

from mithaq.kernel import journal
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit
from mithaq.web.happenings import Happening, kinds_for, tell
from mithaq.web.rendering import render
from mithaq.web.settings import FEED_ITEMS

_LOOK_AGAIN_AFTER = timedelta(seconds=10)


def overview(visit: Visit) -> Response:
    """Show the overview."""
    with visit.site.node.db.read() as connection:
        newest = journal.newest(connection, before=None, limit=FEED_ITEMS, kinds=kinds_for(visit.person))
        seq = journal.last_seq(connection)
    happenings = tell(newest, visit.person, visit.words)
    return visit.page("overview.html", happenings=happenings, seq=seq, keep=FEED_ITEMS, **_panels(visit))


def panels(visit: Visit) -> Response:
    """Show the parts that change, for a page that is open."""
    return visit.page("overview_panels.html", **_panels(visit))


def live(visit: Visit) -> Response:
    """Stream what happens from now on, or from where this reader stopped, while the session lasts."""
    asked = visit.request.headers.get("last-event-id", "") or visit.query("after")
    after = int(asked) if asked.isdecimal() and len(asked) < 19 else None
    return StreamingResponse(_stream(visit, after), media_type="text/event-stream")


async def _stream(visit: Visit, after: int | None) -> AsyncIterator[str]:
    judged = visit.at
    async for batch in visit.site.feed.follow(after):
        now = visit.site.now()
        if now - judged >= _LOOK_AGAIN_AFTER:
            judged = now
            if await anyio.to_thread.run_sync(visit.site.node.people.actor_of_session, visit.session, now) is None:
                return
        if not batch:
            yield ": still here\n\n"
            continue
        told = tell(batch[-FEED_ITEMS:], visit.person, visit.words)
        for happening in told:
            yield _event(happening.seq, _item(visit, happening))
        yield f"id: {batch[-1].seq}\nevent: changed\ndata: {batch[-1].seq}\n\n"


def _item(visit: Visit, happening: Happening) -> str:
    return render("feed_item.html", words=visit.words, item=happening, fresh=True)


def _event(seq: int, html: str) -> str:
    data = "".join(f"data: {line}\n" for line in html.splitlines() if line.strip())
    return f"id: {seq}\n{data}\n"


def _panels(visit: Visit) -> dict[str, Any]:
    node = visit.site.node
    with node.db.read() as connection:
        partners = node.partners.all(connection)
    return {"partners": partners}


DOORS = (
    Door("/", overview, Verb.NODE_READ),
    Door("/overview/panels", panels, Verb.NODE_READ),
    Door("/live", live, Verb.NODE_READ),
)
