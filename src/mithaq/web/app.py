"""The pages of a node as one Starlette application."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from mithaq.node.body_limit import BodyLimit
from mithaq.node.composition import Node
from mithaq.node.language import msgid
from mithaq.web import (
    agreement,
    agreements,
    audit,
    consents,
    constituents,
    detection,
    drafting,
    duties,
    exchange,
    files,
    hunting,
    importing,
    intelligence,
    lookup,
    membership,
    overview,
    partner_keys,
    people,
    pushing,
    release_log,
    releases,
    remarks,
    reports,
    sensors,
    sign_in,
    sources,
    telemetry,
    triage,
)
from mithaq.web.doors import enter, routes
from mithaq.web.rendering import STATIC
from mithaq.web.security import OwnOrigin, SecureHeaders, body_limit
from mithaq.web.site import Site

DOORS = (
    *overview.DOORS,
    *importing.DOORS,
    *reports.DOORS,
    *remarks.DOORS,
    *intelligence.DOORS,
    *lookup.DOORS,
    *triage.DOORS,
    *detection.DOORS,
    *files.DOORS,
    *hunting.DOORS,
    *release_log.DOORS,
    *consents.DOORS,
    *exchange.DOORS,
    *releases.DOORS,
    *partner_keys.DOORS,
    *duties.DOORS,
    *agreements.DOORS,
    *drafting.DOORS,
    *agreement.DOORS,
    *membership.DOORS,
    *sign_in.DOORS,
    *sources.DOORS,
    *telemetry.DOORS,
    *sensors.DOORS,
    *constituents.DOORS,
    *pushing.DOORS,
    *people.DOORS,
    *audit.DOORS,
)
"""Every page there is; a test walks them all."""

_NO_FORM = FormData()
_SAID = {
    404: (msgid("Not found"), msgid("there is no such page here")),
    413: (msgid("Too large"), msgid("what was sent is larger than this page takes; use the command line")),
}
_FOR_GOOD = "public, max-age=31536000, immutable"


class Assets(StaticFiles):
    """The files of the pages; an address that carries its digest may be kept for good."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve one file."""
        response = await super().get_response(path, scope)
        kept = path.startswith("fonts/") or b"v=" in scope["query_string"]
        response.headers["cache-control"] = _FOR_GOOD if kept else "no-cache"
        return response


def create_app(node: Node, beneath: Sequence[BaseRoute] = ()) -> Starlette:
    """Return the pages of a node; `beneath` are other faces (API, partner channel) with doors of their own."""
    site = Site(node)

    def not_there(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        visit = enter(site, request, _NO_FORM)
        title, sentence = _SAID.get(status, _SAID[404])
        return visit.refuse(status, title, sentence=sentence)

    def broken(request: Request, error: Exception) -> Response:
        del error
        visit = enter(site, request, _NO_FORM)
        return visit.refuse(
            500,
            msgid("This page failed"),
            sentence=msgid("the node met an error it did not expect; the operator's log holds the details"),
        )

    pages = Starlette(
        routes=[Mount("/static", Assets(directory=STATIC)), *routes(site, DOORS)],
        middleware=[
            Middleware(SecureHeaders),
            Middleware(OwnOrigin, public_url=node.settings.public_url),
            Middleware(BodyLimit, limit_of=body_limit),
            Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5),
        ],
        exception_handlers={HTTPException: not_there, 500: broken},
    )
    return Starlette(routes=[*beneath, Mount("/", pages)])
