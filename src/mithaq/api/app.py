"""The API as one application, and the doors for machines beside it."""

from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount
from starlette.types import Scope

from mithaq import __version__
from mithaq.api import (
    detection,
    duties,
    events,
    feeds,
    files,
    health,
    hunts,
    intelligence,
    misp,
    objects,
    release,
    taxii,
    telemetry,
    triage,
)
from mithaq.api.cursors import Cursors
from mithaq.api.problems import explain, too_large
from mithaq.node.body_limit import BodyLimit
from mithaq.node.composition import Node
from mithaq.node.feed import Feed

MAX_JSON_BYTES = 1024 * 1024


def create_api(node: Node, feed: Feed | None = None) -> FastAPI:
    """Return the documented API of a node, to be mounted under `/api/v1`."""
    feed = feed or Feed(node.db, node.run_dir, "api")
    api = FastAPI(
        title=f"Mithaq {node.nation}",
        version=__version__,
        summary="The joint-defence node of a national CERT, for the programs of its own nation.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    explain(api)
    api.include_router(intelligence.router(node, Cursors(node.folder.cache / "cursor.key")))
    api.include_router(objects.router(node))
    api.include_router(detection.router(node, feed))
    api.include_router(triage.router(node))
    api.include_router(hunts.router(node))
    api.include_router(files.router(node))
    api.include_router(telemetry.router(node))
    api.include_router(release.router(node))
    api.include_router(duties.router(node))
    api.add_middleware(BodyLimit, limit_of=_limit, answer=too_large)
    return api


def machine_doors(node: Node) -> list[BaseRoute]:
    """Return all routes for machines: the API, the event stream, probes and metrics."""
    feed = Feed(node.db, node.run_dir, "api")
    return [
        Mount("/api/v1", create_api(node, feed)),
        events.route(node, feed),
        *health.routes(node),
        *taxii.routes(node),
        *feeds.routes(node),
        *misp.routes(node),
    ]


def _limit(scope: Scope) -> int:
    """Return how many bytes a request may carry: telemetry comes in bulk and files are what they are."""
    if scope["path"].endswith("/files"):
        return files.MAX_FILE_BYTES
    return telemetry.MAX_PUSH_BYTES if "/telemetry/" in scope["path"] else MAX_JSON_BYTES
