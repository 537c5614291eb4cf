"""Constituents of this nation: whom it serves, with what their programs come, and which collections they read."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from mithaq.exchange.taxii import store as shelves
from mithaq.exchange.taxii.model import Shelf
from mithaq.nations.constituents.errors import BadConstituent
from mithaq.nations.constituents.model import DOORS as ACCOUNT_DOORS
from mithaq.nations.constituents.model import MAX_ACCOUNT_DAYS
from mithaq.nations.people.model import Verb
from mithaq.node.agreements_in_words import vocabulary
from mithaq.node.language import LANGUAGES
from mithaq.release.model import PERMITTED_ACTIONS
from mithaq.standards.tlp import Tlp
from mithaq.web.doors import Door, Visit


def constituents(visit: Visit) -> Response:
    """List whom this CERT serves, and what it lays out for them."""
    node = visit.site.node
    with node.db.read() as connection:
        open_shelves = shelves.open_shelves(connection)
        sizes = shelves.sizes(connection)
    audiences: dict[str, list[Shelf]] = defaultdict(list)
    for shelf in open_shelves:
        audiences[shelf.collection.id].append(shelf)
    return visit.page(
        "constituents.html",
        constituents=node.constituents.all(),
        collections=node.collections.all(),
        audiences=audiences,
        sizes=sizes,
        actions=PERMITTED_ACTIONS,
        vocabulary=vocabulary,
        floors=[tlp.label for tlp in Tlp],
    )


def add(visit: Visit) -> Response:
    """Write down a constituent."""
    names = {language: name for language in LANGUAGES if (name := visit.field(f"name_{language}").strip())}
    visit.site.node.constituents.add(
        visit.field("id").strip(),
        names,
        [str(each) for each in visit.form.getlist("sector")],
        visit.field("contact").strip(),
        visit.at,
        by=visit.person.id,
    )
    return visit.go(f"/constituents/{visit.field('id').strip()}")


def constituent(visit: Visit, **shown_once: Any) -> Response:
    """Show one constituent: its accounts, its collections, and the forms to change them."""
    node, constituent_id = visit.site.node, visit.request.path_params["constituent"]
    with node.db.read() as connection:
        found = node.constituents.get(connection, constituent_id)
        open_shelves = shelves.shelves_of(connection, constituent_id)
        sizes = shelves.sizes(connection)
    return visit.page(
        "constituent.html",
        constituent=found,
        accounts=node.constituents.accounts(constituent_id),
        shelves=open_shelves,
        sizes=sizes,
        titles={each.id: each.title for each in node.collections.all()},
        doors=ACCOUNT_DOORS,
        max_days=MAX_ACCOUNT_DAYS,
        vocabulary=vocabulary,
        **{"secret": "", **shown_once},
    )


def account(visit: Visit) -> Response:
    """Give a program of a constituent an account, and show its secret once."""
    days = visit.field("days")
    if not days.isdecimal() or not 1 <= int(days) <= MAX_ACCOUNT_DAYS:
        raise BadConstituent("an account is valid for 1 to %(limit)s days", limit=MAX_ACCOUNT_DAYS)
    _, secret = visit.site.node.collections.add_account(
        visit.request.path_params["constituent"],
        visit.field("name").strip(),
        timedelta(days=int(days)),
        visit.at,
        door=visit.field("door") or None,
        collection=visit.field("collection") or None,
        may_write=visit.field("write") == "yes",
        by=visit.person.id,
    )
    return constituent(visit, secret=secret)


def revoke(visit: Visit) -> Response:
    """End an account."""
    visit.site.node.constituents.revoke(visit.field("account"), visit.at, by=visit.person.id)
    return _back(visit)


def disable(visit: Visit) -> Response:
    """Let no program of a constituent in."""
    visit.site.node.constituents.disable(visit.request.path_params["constituent"], visit.at, by=visit.person.id)
    return _back(visit)


def enable(visit: Visit) -> Response:
    """Let the programs of a constituent in again."""
    visit.site.node.constituents.enable(visit.request.path_params["constituent"], visit.at, by=visit.person.id)
    return _back(visit)


def add_collection(visit: Visit) -> Response:
    """Make a collection."""
    visit.site.node.collections.add(
        visit.field("alias").strip(),
        visit.field("title").strip(),
        visit.at,
        audience=[str(each) for each in visit.form.getlist("audience")],
        purpose=visit.field("purpose"),
        action=visit.field("action"),
        types=visit.field("types").split(),
        labels=visit.field("labels").split(),
        can_read=visit.field("use") != "write",
        can_write=visit.field("use") != "read",
        floor=Tlp.parse(visit.field("floor")) or Tlp.RED,
        by=visit.person.id,
    )
    return visit.go("/constituents")


def allow(visit: Visit) -> Response:
    """Take a constituent into the audience of a collection."""
    name, who = visit.field("collection"), visit.field("constituent")
    visit.site.node.collections.allow(name, who, visit.at, by=visit.person.id)
    return visit.go("/constituents")


def exclude(visit: Visit) -> Response:
    """Take a constituent out of the audience of a collection."""
    name, who = visit.field("collection"), visit.field("constituent")
    visit.site.node.collections.exclude(name, who, visit.at, by=visit.person.id)
    return visit.go("/constituents")


def close(visit: Visit) -> Response:
    """Close a collection for good."""
    visit.site.node.collections.close(visit.field("collection"), visit.at, by=visit.person.id)
    return visit.go("/constituents")


def _back(visit: Visit) -> Response:
    return visit.go(f"/constituents/{visit.request.path_params['constituent']}")


_ONE = "/constituents/{constituent}"
DOORS = (
    Door("/constituents", constituents, Verb.NODE_READ),
    Door("/constituents", add, Verb.PEOPLE_MANAGE, "POST"),
    Door("/collections", add_collection, Verb.RELEASE_DECIDE, "POST"),
    Door("/collections/allow", allow, Verb.RELEASE_DECIDE, "POST"),
    Door("/collections/exclude", exclude, Verb.RELEASE_DECIDE, "POST"),
    Door("/collections/close", close, Verb.RELEASE_DECIDE, "POST"),
    Door(_ONE, constituent, Verb.NODE_READ),
    Door(f"{_ONE}/account", account, Verb.PEOPLE_MANAGE, "POST"),
    Door(f"{_ONE}/revoke", revoke, Verb.PEOPLE_MANAGE, "POST"),
    Door(f"{_ONE}/disable", disable, Verb.PEOPLE_MANAGE, "POST"),
    Door(f"{_ONE}/enable", enable, Verb.PEOPLE_MANAGE, "POST"),
)
