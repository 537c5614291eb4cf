"""Read from an object what it is about: sectors, campaigns, severity and classes of content.

An object says so in its labels (`sector:energy`, `severity:high`, `content:personal-data`), which STIX 2.1 §3.2 leaves
to the trust group, in the property `sectors` (STIX 2.1 §4.5), and by the campaigns it is or names.
"""

from functools import lru_cache

from mithaq.release.model import Scope
from mithaq.standards.severity import severity_of
from mithaq.standards.stix import Glance, StixObject

_CAMPAIGN = "campaign--"


def scope_of(stix: StixObject | Glance) -> Scope:
    """Return what an object says of itself; nothing is guessed."""
    return _scope(
        stix.labels, stix.sectors, tuple(name for name in (stix.id, *stix.refs) if name.startswith(_CAMPAIGN))
    )


@lru_cache(maxsize=4096)
def _scope(labels: tuple[str, ...], sectors: tuple[str, ...], campaigns: tuple[str, ...]) -> Scope:
    said = [label.strip().lower() for label in labels]
    return Scope(
        sectors=frozenset(sectors) | _named(said, "sector:"),
        campaigns=frozenset((*campaigns, *(label for label in said if label.startswith(_CAMPAIGN)))),
        severity=severity_of(said),
        content=_named(said, "content:"),
    )


def _named(labels: list[str], prefix: str) -> frozenset[str]:
    return frozenset(label.removeprefix(prefix).strip() for label in labels if label.startswith(prefix))
