"""Every page is a door: a path, the verb it needs (or one of several), and a plain function from a visit to a response.

The function runs in a worker thread, so that neither the database nor a template ever holds the event loop.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason
from mithaq.nations.people.model import Actor, Verb
from mithaq.nations.people.rules import permit, permit_any
from mithaq.node.language import LANGUAGES, Translator, msgid, negotiate, translator
from mithaq.web.rendering import render
from mithaq.web.session import cookie_name, form_token, holds
from mithaq.web.site import Site


class Access(Enum):
    """What a door needs where it needs no verb."""

    PUBLIC = "public"
    SIGNED_IN = "signed-in"


THEMES = ("auto", "light", "dark")
_YEAR_S = 365 * 24 * 3600
_MISSING = frozenset({"not-in-tray"})
"""Errors that say that there is no such thing, whatever their codes begin with."""
NOUNS = (
    ("/", msgid("Overview"), Verb.NODE_READ),
    ("/intelligence", msgid("Intelligence"), Verb.INTELLIGENCE_READ),
    ("/detection", msgid("Detection"), Verb.DETECTION_READ),
    ("/exchange", msgid("Exchange"), Verb.RELEASE_READ),
    ("/agreements", msgid("Agreements"), Verb.AGREEMENT_READ),
    ("/duties", msgid("Duties"), Verb.RELEASE_READ),
    ("/sources", msgid("Sources"), Verb.NODE_READ),
    ("/constituents", msgid("Constituents"), Verb.NODE_READ),
    ("/people", msgid("People"), Verb.PEOPLE_MANAGE),
    ("/audit", msgid("Audit"), Verb.AUDIT_READ),
)
_PART_OF = {
    "/telemetry": "/detection",
    "/hunts": "/detection",
    "/files": "/detection",
    "/sensors": "/detection",
    "/reports": "/intelligence",
    "/pushing": "/constituents",
}
"""Pages that are reached from a noun's, and under which noun they are shown."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, with who asks, when, in which language."""

    site: Site
    request: Request
    at: datetime
    words: Translator
    actor: Actor | None
    session: str
    form: FormData
    body: bytes = b""

    @property
    def person(self) -> Actor:
        """Return who is signed in; doors with a verb always have somebody."""
        if self.actor is None:
            raise RuntimeError("a public door asked who is signed in")
        return self.actor

    def may(self, verb: str) -> bool:
        """Tell whether the visitor holds a verb, to show or hide a button."""
        return self.actor is not None and Verb(verb) in self.actor.verbs

    def field(self, name: str, default: str = "") -> str:
        """Return a text field of the form."""
        value = self.form.get(name, default)
        return value if isinstance(value, str) else default

    def query(self, name: str, default: str = "") -> str:
        """Return a parameter of the address."""
        return self.request.query_params.get(name, default)

    def wants_fragment(self) -> bool:
        """Tell whether htmx asks for a part of the page."""
        return "hx-request" in self.request.headers

    def in_own_language(self, texts: Mapping[Any, str]) -> str:
        """Return a text that is kept in several languages in the reader's, else in English, else in any."""
        return texts.get(self.words.language) or texts.get("en") or next(iter(texts.values()), "")

    def page(self, template: str, /, status: int = 200, **context: Any) -> HTMLResponse:
        """Render a template with everything that the layout needs."""
        return HTMLResponse(render(template, **self._layout(), **context), status_code=status)

    def go(self, path: str) -> RedirectResponse:
        """Send the browser on after a form was taken."""
        return RedirectResponse(path, status_code=303)

    def refuse(self, status: int, title: str, *, sentence: str, remedy: str = "") -> HTMLResponse:
        """Say what went wrong and what would mend it; each is a message id, or text that is said in words already."""
        title, sentence, remedy = map(self.words.gettext, (title, sentence, remedy))
        return self.page("error.html", status=status, title=title, sentence=sentence, remedy=remedy)

    def set_cookie(self, response: Response, kind: str, value: str, max_age_s: int) -> None:
        """Set one of this node's cookies."""
        secure = self.site.origin(self.request).startswith("https:")
        response.set_cookie(
            cookie_name(self.site.node.nation, kind, secure=secure),
            value,
            max_age=max_age_s,
            path="/",
            secure=secure,
            httponly=True,
            samesite="lax",
        )

    def _layout(self) -> dict[str, Any]:
        theme = self.request.cookies.get(self._cookie("theme"), "auto")
        return {
            "visit": self,
            "words": self.words,
            "nonce": self.request.state.nonce,
            "form_token": form_token(self.session) if self.session else "",
            "actor": self.actor,
            "may": self.may,
            "nation": self.site.node.nation,
            "nation_name": self.site.name(self.words.language),
            "theme": theme if theme in THEMES else "auto",
            "themes": THEMES,
            "nouns": [(path, self.words.gettext(title)) for path, title, verb in NOUNS if self.may(verb)],
            "path": self.request.url.path,
            "noun": _noun_of(self.request.url.path),
            "at": self.at,
        }

    def _cookie(self, kind: str) -> str:
        secure = self.site.origin(self.request).startswith("https:")
        return cookie_name(self.site.node.nation, kind, secure=secure)


def _noun_of(path: str) -> str:
    first = "/" + path.split("/")[1]
    return _PART_OF.get(first, first)


Handler = Callable[[Visit], Response]


@dataclass(frozen=True, slots=True)
class Door:
    """One path with its handler and what it needs: a verb, or one of several that open a part of the page each."""

    path: str
    handler: Handler
    needs: Verb | Access | tuple[Verb, ...]
    method: str = "GET"

    def route(self, site: Site) -> Route:
        """Return the Starlette route that guards and serves this door."""

        async def endpoint(request: Request) -> Response:
            form, body = await _read(request)
            try:
                return await anyio.to_thread.run_sync(self.serve, site, request, form, body)
            finally:
                await form.close()

        return Route(self.path, endpoint, methods=[self.method], name=f"{self.method} {self.path}")

    def serve(self, site: Site, request: Request, form: FormData, body: bytes) -> Response:
        """Check the visitor, then let the handler answer; an error becomes a page that says so."""
        visit = enter(site, request, form, body)
        try:
            return _preference(visit) or self._stop(visit) or self.handler(visit)
        except Error as error:
            return _explained(visit, error)

    def _stop(self, visit: Visit) -> Response | None:
        if visit.actor is None:
            return None if self.needs is Access.PUBLIC else _to_sign_in(visit)
        if self.method == "POST" and not _own_form(visit):
            return visit.refuse(
                403,
                msgid("Not accepted"),
                sentence=msgid("this form did not come from a page of your present session"),
                remedy=msgid("load the page again and repeat the step"),
            )
        reason = self._refusal(visit.actor)
        return _not_permitted(visit, reason) if reason else None

    def _refusal(self, actor: Actor) -> Reason | None:
        match self.needs:
            case Verb() as verb:
                return permit(actor, verb)
            case tuple() as verbs:
                return permit_any(actor, verbs)
            case Access():
                return None


async def _read(request: Request) -> tuple[FormData, bytes]:
    if request.method != "POST":
        return FormData(), b""
    if request.headers.get("content-type", "").startswith("application/json"):
        return FormData(), await request.body()
    return await request.form(max_files=1, max_fields=200), b""


def _own_form(visit: Visit) -> bool:
    return holds(visit.session, visit.field("_csrf") or visit.request.headers.get("x-form-token", ""))


def routes(site: Site, doors: Sequence[Door]) -> list[Route]:
    """Return the guarded routes of all doors."""
    return [door.route(site) for door in doors]


def enter(site: Site, request: Request, form: FormData, body: bytes = b"") -> Visit:
    """Find out who asks and in which language."""
    at = site.now()
    secure = site.origin(request).startswith("https:")
    nation = site.node.nation
    session = request.cookies.get(cookie_name(nation, "session", secure=secure), "")
    actor = site.node.people.actor_of_session(session, at) if session else None
    chosen = request.cookies.get(cookie_name(nation, "lang", secure=secure), "")
    if chosen not in LANGUAGES:
        chosen = site.node.settings.language or negotiate(request.headers.get("accept-language", ""))
    return Visit(site, request, at, translator(chosen), actor, session if actor else "", form, body)


def _preference(visit: Visit) -> Response | None:
    """Keep a language or theme chosen in the address, then show the same page without it."""
    request = visit.request
    if request.method != "GET" or not {"lang", "theme"} & set(request.query_params):
        return None
    response = visit.go(str(request.url.remove_query_params(["lang", "theme"]).replace(scheme="", netloc="")))
    for kind, allowed in (("lang", tuple(LANGUAGES)), ("theme", THEMES)):
        if (value := visit.query(kind)) in allowed:
            visit.set_cookie(response, kind, value, _YEAR_S)
    return response


def _to_sign_in(visit: Visit) -> Response:
    if visit.wants_fragment():
        return Response(status_code=401, headers={"hx-redirect": "/sign-in"})
    if visit.request.method != "GET":
        return visit.go("/sign-in")
    url = visit.request.url
    here = url.path + (f"?{url.query}" if url.query else "")
    return visit.go("/sign-in" if here == "/" else f"/sign-in?next={quote(here)}")


def _not_permitted(visit: Visit, reason: Reason) -> Response:
    visit.site.node.people.refused(
        visit.person.id, str(reason.params["verb"]), visit.request.url.path, reason, visit.at
    )
    return visit.refuse(
        403,
        msgid("Not permitted"),
        sentence=visit.words.reason(reason),
        remedy=visit.words.remedy(reason),
    )


def _explained(visit: Visit, error: Error) -> Response:
    if visit.body:
        return JSONResponse({"detail": visit.words.error(error), "code": error.code}, status_code=422)
    missing = error.code.startswith("unknown-") or error.code in _MISSING
    title = msgid("Not found") if missing else msgid("Not done")
    return visit.refuse(404 if missing else 422, title, sentence=visit.words.error(error))
