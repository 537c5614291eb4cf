"""The overview: what happens now, told live from the journal."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import anyio.to_thread
from starlette.responses import Response, StreamingResponse

from mithaq.exchange import ledger
from mithaq.exchange.duties.docket import tally
from mithaq.exchange.ledger.conflicts import contradicting
from mithaq.kernel import journal
from mithaq.kernel.journal import Entry
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit
from mithaq.web.happenings import Happening, kinds_for, tell
from mithaq.web.rendering import render
from mithaq.web.settings import FEED_ITEMS

_LAST_HITS = 5
_LOOK_AGAIN_AFTER = timedelta(seconds=10)


def overview(visit: Visit) -> Response:
    """Show the overview."""
    node = visit.site.node
    with node.db.read() as connection:
        newest = journal.newest(connection, before=None, limit=FEED_ITEMS, kinds=kinds_for(visit.person))
        seq = journal.last_seq(connection)
        happenings = tell(node, connection, newest, visit.person, visit.words)
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
        for event in await anyio.to_thread.run_sync(_events, visit, batch):
            yield event
        yield f"id: {batch[-1].seq}\nevent: changed\ndata: {batch[-1].seq}\n\n"


def _events(visit: Visit, batch: Sequence[Entry]) -> list[str]:
    """Return one event for each of the newest happenings of a batch; older ones the page would drop anyway."""
    node = visit.site.node
    heard = [entry for entry in batch if entry.kind in kinds_for(visit.person)][-FEED_ITEMS:]
    with node.db.read() as connection:
        told = tell(node, connection, heard, visit.person, visit.words)
    return [_event(visit, happening) for happening in told]


def _event(visit: Visit, happening: Happening) -> str:
    html = render("feed_item.html", words=visit.words, item=happening, fresh=True)
    data = "".join(f"data: {line}\n" for line in html.splitlines() if line.strip())
    return f"id: {happening.seq}\n{data}\n"


def _panels(visit: Visit) -> dict[str, Any]:
    """Gather what the visitor may know of the node's state."""
    node = visit.site.node
    with node.db.read() as connection:
        partners = node.partners.all(connection)
        channels = ledger.channels(connection, [partner.nation for partner in partners])
        sees_hits, sees_releases = visit.may(Verb.DETECTION_READ), visit.may(Verb.RELEASE_READ)
        return {
            "partners": list(zip(partners, channels, strict=True)),
            "contradicting": contradicting(connection),
            "in_force": len(node.agreements.current(connection, visit.at)),
            "hits": node.detection.hits(connection, limit=_LAST_HITS).hits if sees_hits else (),
            "hit_counts": node.detection.counts(connection) if sees_hits else None,
            "counts": ledger.counts(connection) if sees_releases else None,
            "duties": tally(connection, node.nation, visit.at) if sees_releases else None,
            "consents_to_answer": node.consents.unanswered(connection) if sees_releases else 0,
        }


DOORS = (
    Door("/", overview, Verb.NODE_READ),
    Door("/overview/panels", panels, Verb.NODE_READ),
    Door("/live", live, Verb.NODE_READ),
)
