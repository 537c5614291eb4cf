"""People and programs of this node: invite, change roles, shut out, give and revoke tokens."""

from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.responses import Response

from mithaq.nations.people.errors import BadPerson
from mithaq.nations.people.model import Role, Verb
from mithaq.nations.people.rules import NEVER_A_SCOPE
from mithaq.web.doors import Door, Visit

_MAX_TOKEN_DAYS = 366
Named = TypeVar("Named", Role, Verb)


def people(visit: Visit, **shown_once: Any) -> Response:
    """List everybody, with the forms to invite a person or a program."""
    service = visit.site.node.people
    return visit.page(
        "people.html",
        persons=service.persons(),
        tokens=service.tokens(),
        roles=list(Role),
        scopes=[verb for verb in Verb if verb not in NEVER_A_SCOPE],
        **{"printed": None, "token_secret": "", **shown_once},
    )


def link(visit: Visit) -> Response:
    """Make a one-time link and show it once."""
    roles = frozenset(_known(Role, visit, "role"))
    name = visit.field("name").strip()
    person, secret = visit.site.node.people.link(name, roles or None, visit.at, by=visit.person.id)
    url = f"{visit.site.origin(visit.request)}/link?t={quote(secret)}"
    return people(visit, printed={"name": person.name, "url": url})


def disable(visit: Visit) -> Response:
    """Shut a person out."""
    visit.site.node.people.disable(visit.field("person"), visit.person.id, visit.at)
    return visit.go("/people")


def token(visit: Visit) -> Response:
    """Make an API token and show its secret once."""
    days = visit.field("days")
    if not days.isdecimal() or not 1 <= int(days) <= _MAX_TOKEN_DAYS:
        raise BadPerson("a token is valid for 1 to %(limit)s days", limit=_MAX_TOKEN_DAYS)
    scopes = frozenset(_known(Verb, visit, "scope"))
    _, secret = visit.site.node.people.add_token(
        visit.field("name").strip(), scopes, timedelta(days=int(days)), visit.at, by=visit.person.id
    )
    return people(visit, token_secret=secret)


def revoke(visit: Visit) -> Response:
    """End an API token."""
    visit.site.node.people.revoke_token(visit.field("token"), visit.person.id, visit.at)
    return visit.go("/people")


def _known(kind: type[Named], visit: Visit, field: str) -> list[Named]:
    try:
        return [kind(str(value)) for value in visit.form.getlist(field)]
    except ValueError as error:
        raise BadPerson("no such role or permission", private=str(error)) from error


DOORS = (
    Door("/people", people, Verb.PEOPLE_MANAGE),
    Door("/people/link", link, Verb.PEOPLE_MANAGE, "POST"),
    Door("/people/disable", disable, Verb.PEOPLE_MANAGE, "POST"),
    Door("/people/token", token, Verb.PEOPLE_MANAGE, "POST"),
    Door("/people/revoke", revoke, Verb.PEOPLE_MANAGE, "POST"),
)
