"""Who may do what: pure decisions over roles, scopes and lifetimes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from mithaq.kernel.reason import Reason
from mithaq.nations.people.model import MAX_NAME_CHARACTERS, Actor, ApiToken, Link, Role, Verb

_READING = frozenset(
    {
        Verb.NODE_READ,
        Verb.INTELLIGENCE_READ,
        Verb.AGREEMENT_READ,
        Verb.RELEASE_READ,
        Verb.DETECTION_READ,
        Verb.BLOCKLIST_READ,
        Verb.EVENTS_READ,
    }
)

PERMISSIONS: Mapping[Role, frozenset[Verb]] = {
    Role.DUTY_OFFICER: _READING
    | {Verb.INTELLIGENCE_WRITE, Verb.DETECTION_CONFIRM, Verb.BLOCKLIST_BUILD, Verb.DUTY_KEEP},
    Role.ANALYST: _READING | {Verb.INTELLIGENCE_WRITE, Verb.DETECTION_CONFIRM},
    Role.RELEASER: _READING | {Verb.INTELLIGENCE_WRITE, Verb.RELEASE_DECIDE, Verb.QUARANTINE_DECIDE, Verb.DUTY_KEEP},
    Role.DIRECTOR: _READING
    | {Verb.AGREEMENT_DRAFT, Verb.AGREEMENT_SIGN, Verb.RELEASE_VETO, Verb.AUDIT_READ, Verb.DUTY_KEEP},
    Role.AUDITOR: _READING | {Verb.AUDIT_READ},
    Role.ADMINISTRATOR: frozenset(
        {Verb.NODE_READ, Verb.AGREEMENT_READ, Verb.PARTNER_MANAGE, Verb.PEOPLE_MANAGE, Verb.EVENTS_READ}
    ),
}
"""The whole table. An administrator runs the node and reads no intelligence; who signs does not release."""

NEVER_A_SCOPE = frozenset(
    {
        Verb.PEOPLE_MANAGE,
        Verb.PARTNER_MANAGE,
        Verb.AUDIT_READ,
        Verb.AGREEMENT_SIGN,
        Verb.RELEASE_DECIDE,
        Verb.RELEASE_VETO,
        Verb.QUARANTINE_DECIDE,
        Verb.DUTY_KEEP,
    }
)
"""What no program may do: these need a person."""


def verbs_of(roles: Iterable[Role]) -> frozenset[Verb]:
    """Return everything that a set of roles permits."""
    return frozenset().union(*(PERMISSIONS[role] for role in roles))


def roles_with(verb: Verb) -> list[Role]:
    """Return the roles that permit a verb, in the order of the table."""
    return [role for role, verbs in PERMISSIONS.items() if verb in verbs]


def permit(actor: Actor, verb: Verb) -> Reason | None:
    """Return why the actor may not, or None where it may."""
    if verb in actor.verbs:
        return None
    roles = ", ".join(roles_with(verb)) or "-"
    return Reason(
        "not-permitted",
        "this needs the permission %(verb)s, which you do not hold",
        {"verb": verb, "roles": roles},
        "a person with one of these roles can do it: %(roles)s",
    )


def permit_any(actor: Actor, verbs: Sequence[Verb]) -> Reason | None:
    """Return why the actor may not, or None where it holds one of several verbs; each opens a part of its own."""
    if not actor.verbs.isdisjoint(verbs):
        return None
    roles = dict.fromkeys(role for verb in verbs for role in roles_with(verb))
    return Reason(
        "not-permitted",
        "this needs one of the permissions %(verb)s, and you hold none of them",
        {"verb": ", ".join(verbs), "roles": ", ".join(roles) or "-"},
        "a person with one of these roles can do it: %(roles)s",
    )


def role_change(actor_id: str, person_id: str) -> Reason | None:
    """Refuse a change of one's own roles or access: that takes a second person."""
    if actor_id != person_id:
        return None
    return Reason(
        "own-access",
        "nobody changes their own roles or access",
        remedy="ask another administrator, or the operator at the machine",
    )


def another_person(person: str, earlier: Collection[str]) -> Reason | None:
    """Refuse who has approved the same already, or has instructed it: a joint decision takes another person."""
    if person not in earlier:
        return None
    return Reason(
        "same-person",
        "you have approved this already; it takes another person",
        remedy="ask a person with one of these roles: %(roles)s",
        params={"roles": ", ".join(roles_with(Verb.RELEASE_DECIDE))},
    )


def usable_name(name: str) -> Reason | None:
    """Refuse a name that is empty, overlong, or holds control characters."""
    if name.strip() == name and 0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable():
        return None
    return Reason(
        "bad-name",
        "a name has 1 to %(limit)s printable characters and no space at its ends",
        {"limit": MAX_NAME_CHARACTERS},
    )


def usable_scopes(scopes: frozenset[Verb]) -> Reason | None:
    """Refuse a token without scope, or with one that needs a person."""
    if not scopes:
        return Reason("no-scope", "a token needs at least one scope")
    if forbidden := sorted(scopes & NEVER_A_SCOPE):
        return Reason(
            "scope-needs-a-person", "%(scopes)s is never given to a program", {"scopes": ", ".join(forbidden)}
        )
    return None


def link_usable(link: Link | None, at: datetime) -> bool:
    """Tell whether a one-time link may be redeemed now."""
    return link is not None and link.used_at is None and at < link.expires_at


def token_usable(token: ApiToken, at: datetime) -> bool:
    """Tell whether an API token is neither revoked nor expired."""
    return token.revoked_at is None and at < token.expires_at
