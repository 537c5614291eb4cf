"""Files that programs have scanned with YARA rules, and what became of each."""

import tempfile
from functools import partial
from typing import Annotated, Final

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from mithaq.api.access import bearer
from mithaq.api.problems import ReasonTold, reason_told, words_of
from mithaq.detection.yara.settings import YaraLimits
from mithaq.detection.yara.store import KnownFile
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import Lane
from mithaq.nations.people.model import Actor, Verb
from mithaq.node.composition import Node
from mithaq.node.language import Translator

MAX_FILE_BYTES: Final = YaraLimits().max_file_bytes
_IN_MEMORY_BYTES: Final = 1 << 20
_LIMIT: Final = 500


class Kept(BaseModel):
    """A file that is kept to be scanned: its SHA-256, by which it is known from then on."""

    sha256: str


class FileTold(BaseModel):
    """One file: `matched` are the indicators whose rules are true of it, `reason` is why it was not wholly scanned."""

    source: str
    path: str
    size: int
    sha256: str
    state: str
    matched: list[str]
    found_at: str
    scanned_at: str | None
    reason: ReasonTold | None


class FilesTold(BaseModel):
    """The files that were found last, the newest first."""

    files: list[FileTold]


def router(node: Node) -> APIRouter:
    """Return the routes of files."""
    routes = APIRouter(tags=["detection"])

    @routes.post(
        "/files",
        status_code=202,
        openapi_extra={
            "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
        },
    )
    async def scan(
        request: Request,
        actor: Annotated[Actor, Depends(bearer(node, Verb.TELEMETRY_PUSH))],
        name: Annotated[str, Query(max_length=300)] = "",
        lane: str = "actual",
    ) -> Kept:
        """Keep the body to be scanned; it is never executed, and erased after a while. Hits tell what was found."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
            async for piece in request.stream():
                file.write(piece)
            file.seek(0)
            keep = partial(
                node.files.upload, file.read, name=name, by=actor.id, at=node.clock.now(), lane=Lane.parse(lane)
            )
            return Kept(sha256=await anyio.to_thread.run_sync(keep))

    @routes.get("/files", dependencies=[Depends(bearer(node, Verb.DETECTION_READ))])
    def newest(
        request: Request, source: str | None = None, limit: Annotated[int, Query(ge=1, le=_LIMIT)] = 50
    ) -> FilesTold:
        """Return the files that were found last, of one source or of all."""
        words = words_of(request)
        return FilesTold(files=[_told(each, words) for each in node.files.newest(source, limit)])

    return routes


def _told(known: KnownFile, words: Translator) -> FileTold:
    return FileTold(
        source=known.source,
        path=known.found.path.encode("utf-8", "replace").decode(),
        size=known.found.size,
        sha256=known.sha256,
        state=known.state.value,
        matched=list(known.matched),
        found_at=rfc3339(known.found_at),
        scanned_at=rfc3339(known.scanned_at) if known.scanned_at else None,
        reason=reason_told(known.reason, words) if known.reason else None,
    )
