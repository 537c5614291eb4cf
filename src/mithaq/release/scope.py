"""Read from an object what it is about: sectors, campaigns, severity and classes of content.

An object says so in its labels (`sector:energy`, `severity:high`, `content:personal-data`), which STIX 2.1 §3.2 leaves
to the trust group, in the property `sectors` (STIX 2.1 §4.5), and by the campaigns it is or names.
"""

from mithaq.release.model import Scope
from mithaq.standards.severity import severity_of
from mithaq.standards.stix import StixObject


def scope_of(stix: StixObject) -> Scope:
    """Return what an object says of itself; nothing is guessed."""
    labels = [label.strip().lower() for label in stix.labels]
    return Scope(
        sectors=frozenset(stix.sectors) | _named(labels, "sector:"),
        campaigns=frozenset(name for name in (stix.id, *stix.refs, *labels) if name.startswith("campaign--")),
        severity=severity_of(labels),
        content=_named(labels, "content:"),
    )


def _named(labels: list[str], prefix: str) -> frozenset[str]:
    return frozenset(label.removeprefix(prefix).strip() for label in labels if label.startswith(prefix))
