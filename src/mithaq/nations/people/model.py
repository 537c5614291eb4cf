"""People, their roles, and what a role may do: frozen values, no I/O, no clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LINK_LIFETIME = timedelta(minutes=30)
SESSION_LIFETIME = timedelta(hours=12)
CEREMONY_LIFETIME = timedelta(minutes=5)
MAX_NAME_CHARACTERS = 120


class Role(StrEnum):
    """What a person is at this node; one person may hold several."""

    DUTY_OFFICER = "duty-officer"
    ANALYST = "analyst"
    RELEASER = "releaser"
    DIRECTOR = "director"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class Verb(StrEnum):
    """One thing that may be permitted: a person's page or button, a token's scope."""

    NODE_READ = "node.read"
    INTELLIGENCE_READ = "intelligence.read"
    INTELLIGENCE_WRITE = "intelligence.write"
    AGREEMENT_READ = "agreement.read"
    AGREEMENT_DRAFT = "agreement.draft"
    AGREEMENT_SIGN = "agreement.sign"
    RELEASE_READ = "release.read"
    RELEASE_DECIDE = "release.decide"
    RELEASE_VETO = "release.veto"
    DUTY_KEEP = "duty.keep"
    QUARANTINE_DECIDE = "quarantine.decide"
    DETECTION_READ = "detection.read"
    DETECTION_CONFIRM = "detection.confirm"
    BLOCKLIST_READ = "blocklist.read"
    BLOCKLIST_BUILD = "blocklist.build"
    PARTNER_MANAGE = "partner.manage"
    PEOPLE_MANAGE = "people.manage"
    AUDIT_READ = "audit.read"
    TELEMETRY_PUSH = "telemetry.push"
    EVENTS_READ = "events.read"


class Outcome(StrEnum):
    """How an audited action ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in."""

    id: str
    name: str
    roles: frozenset[Role]
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts now: a signed-in person, or a program with a token, with what is permitted to it."""

    id: str
    name: str
    verbs: frozenset[Verb]
    roles: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A program's access: scoped to verbs, never to people or audit."""

    id: str
    name: str
    scopes: frozenset[Verb]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Passkey:
    """A public key of a person's authenticator (Web Authentication Level 2 §4)."""

    credential_id: bytes
    person_id: str
    public_key: bytes
    sign_count: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """A one-time enrolment link; only the digest of its token is kept."""

    person_id: str
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """This node as authenticators see it: a host name and an exact origin (Web Authentication Level 2 §4)."""

    id: str
    name: str
    origin: str
