"""Who calls: the bearer token of a request, and whether its scopes suffice."""

from collections.abc import Callable

from starlette.requests import Request

from mithaq.api.problems import NoToken
from mithaq.nations.people.model import Actor, Verb
from mithaq.node.composition import Node


def bearer(node: Node, verb: Verb) -> Callable[[Request], Actor]:
    """Return a dependency that lets a request pass with a token of this scope."""

    def check(request: Request) -> Actor:
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        at = node.clock.now()
        actor = node.people.actor_of_token(secret.strip(), at) if kind.lower() == "bearer" else None
        if actor is None:
            raise NoToken("this needs a bearer token that is valid now")
        node.people.demand(actor, verb, request.url.path[:200], at)
        return actor

    return check
