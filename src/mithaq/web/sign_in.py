"""Sign in by a one-time link or a passkey, keep passkeys, sign out."""

from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from mithaq.kernel import canonical
from mithaq.nations.people.errors import PasskeyRefused
from mithaq.nations.people.model import SESSION_LIFETIME, RelyingParty
from mithaq.nations.people.service import actor_of
from mithaq.web.doors import Access, Door, Visit

_MAX_CREDENTIAL_BYTES = 64 * 1024


def sign_in(visit: Visit) -> Response:
    """Show the ways to sign in."""
    if visit.actor:
        return visit.go(_safe(visit.query("next")))
    return visit.page("sign_in.html", party=_party(visit), elsewhere=_elsewhere(visit))


def link(visit: Visit) -> Response:
    """Show the button of a one-time link; only pressing it uses the link up, so that no preview does."""
    return visit.page("link.html", secret=visit.query("t"))


def redeem(visit: Visit) -> Response:
    """Use up a one-time link and go on to enrol a passkey."""
    person, session = visit.site.node.people.redeem(visit.field("t"), visit.at)
    known = visit.site.node.people.passkeys.of_person(person.id)
    response = visit.go("/" if known else "/passkeys")
    _keep(visit, response, session)
    return response


def sign_out(visit: Visit) -> Response:
    """End the session."""
    if visit.actor:
        visit.site.node.people.sign_out(visit.session, visit.actor, visit.at)
    response = visit.go("/sign-in")
    visit.set_cookie(response, "session", "", 0)
    return response


def passkeys(visit: Visit) -> Response:
    """Show the visitor's passkeys."""
    known = visit.site.node.people.passkeys.of_person(visit.person.id)
    return visit.page("passkeys.html", passkeys=known, party=_party(visit), elsewhere=_elsewhere(visit))


def keys(visit: Visit) -> Response:
    """List the keys."""
    return visit.page("keys.html")


def enrolment(visit: Visit) -> Response:
    """Begin to enrol a passkey."""
    begun = visit.site.node.people.passkeys.enrolment(visit.person, needed_party(visit), visit.at)
    return begun_with(begun)


def enrol(visit: Visit) -> Response:
    """Finish to enrol a passkey."""
    ceremony, credential, _ = answer_of(visit)
    visit.site.node.people.passkeys.enrol(ceremony, credential, visit.person, needed_party(visit), visit.at)
    return JSONResponse({"location": "/passkeys"})


def sign_in_options(visit: Visit) -> Response:
    """Begin to sign in with a passkey."""
    return begun_with(visit.site.node.people.passkeys.sign_in_options(needed_party(visit), visit.at))


def sign_in_passkey(visit: Visit) -> Response:
    """Finish to sign in with a passkey."""
    ceremony, credential, wanted = answer_of(visit)
    passkeys = visit.site.node.people.passkeys
    person, session = passkeys.sign_in(ceremony, credential, needed_party(visit), visit.at)
    home = _safe(wanted) if actor_of(person).verbs else "/"
    response = JSONResponse({"location": home})
    _keep(visit, response, session)
    return response


def _keep(visit: Visit, response: Response, session: str) -> None:
    visit.set_cookie(response, "session", session, int(SESSION_LIFETIME.total_seconds()))


def begun_with(begun: tuple[str, str]) -> Response:
    """Answer passkey.js with a ceremony's secret and the options for the authenticator."""
    ceremony, options = begun
    parsed = canonical.loads(options.encode(), max_bytes=_MAX_CREDENTIAL_BYTES, subject="options")
    return JSONResponse({"ceremony": ceremony, "options": parsed})


def answer_of(visit: Visit) -> tuple[str, dict[str, Any], str]:
    """Return what passkey.js sends when a ceremony is done: its secret, the credential, where to go on.

    Raises:
        PasskeyRefused: it is not of that shape.
    """
    value = canonical.loads(visit.body, max_bytes=_MAX_CREDENTIAL_BYTES, subject="passkey")
    match value:
        case {"ceremony": str(ceremony), "credential": dict(credential)}:
            return ceremony, credential, str(value.get("next", ""))
    raise PasskeyRefused("the passkey's answer does not verify")


def _party(visit: Visit) -> RelyingParty | None:
    return visit.site.party(visit.request)


def needed_party(visit: Visit) -> RelyingParty:
    """Return this node as authenticators see it.

    Raises:
        PasskeyRefused: the page was opened by a bare address.
    """
    if party := _party(visit):
        return party
    raise PasskeyRefused("passkeys need a host name; this page was opened by a bare address")


def _elsewhere(visit: Visit) -> str:
    """Return this node's address by name: the public one, else `localhost` with the same port."""
    public = visit.site.node.settings.public_url
    if public:
        return public
    port = urlsplit(str(visit.request.url)).port
    return f"{visit.request.url.scheme}://localhost{f':{port}' if port else ''}{visit.request.url.path}"


def _safe(path: str) -> str:
    """Return a path of this node to go on to; anything that could lead elsewhere becomes the overview."""
    parts = urlsplit(path)
    usable = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return path if usable and path.isprintable() and "\\" not in path else "/"


DOORS = (
    Door("/sign-in", sign_in, Access.PUBLIC),
    Door("/sign-in/passkey/options", sign_in_options, Access.PUBLIC, "POST"),
    Door("/sign-in/passkey", sign_in_passkey, Access.PUBLIC, "POST"),
    Door("/link", link, Access.PUBLIC),
    Door("/link", redeem, Access.PUBLIC, "POST"),
    Door("/sign-out", sign_out, Access.PUBLIC, "POST"),
    Door("/passkeys", passkeys, Access.SIGNED_IN),
    Door("/passkeys", enrol, Access.SIGNED_IN, "POST"),
    Door("/passkeys/options", enrolment, Access.SIGNED_IN, "POST"),
    Door("/keys", keys, Access.SIGNED_IN),
)
