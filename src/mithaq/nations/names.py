"""What a nation's logs and its witness are called; the one place that derives it from the nation's code.

A name looks like an address and is none: nothing is ever looked up under it.
"""

import re
from dataclasses import dataclass

from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.vkey import KeyType, VerifierKey

_SHARD = r"(?:\.([2-9]|[1-9]\d{1,3}))?"
_RELEASES = re.compile(r"cert\.([a-z]{2})\.example/releases/(2\d{3})" + _SHARD, re.ASCII)
_MEMBERSHIP = re.compile(r"cert\.([a-z]{2})\.example/agreements/(agreement--[0-9a-f-]{36})" + _SHARD, re.ASCII)


@dataclass(frozen=True, slots=True)
class LogName:
    """A release log: of a year, and the next `shard` of that year after a log was lost with a restored backup."""

    nation: NationId
    year: int
    shard: int = 1

    @property
    def origin(self) -> str:
        """Return the origin line.

        >>> LogName(NationId("XA"), 2026).origin, LogName(NationId("XA"), 2026, 2).origin
        ('cert.xa.example/releases/2026', 'cert.xa.example/releases/2026.2')
        """
        return f"cert.{self.nation.lower()}.example/releases/{self.year}" + (f".{self.shard}" if self.shard > 1 else "")

    def key(self, public: bytes) -> VerifierKey:
        """Return a nation's log key under this log's name."""
        return VerifierKey(self.origin, KeyType.ED25519, public)

    @staticmethod
    def parse(origin: str) -> "LogName":
        """Read an origin line.

        Raises:
            BadNote: it is no nation's release log.
        """
        found = _RELEASES.fullmatch(origin)
        if found is None:
            raise BadNote("%(origin)s is no nation's release log", origin=ascii(origin[:80]))
        return LogName(NationId(found[1].upper()), int(found[2]), int(found[3] or 1))


@dataclass(frozen=True, slots=True)
class MembershipName:
    """The membership log that a nation keeps of one agreement; `shard` as for the release log."""

    nation: NationId
    agreement_id: str
    shard: int = 1

    @property
    def origin(self) -> str:
        """Return the origin line.

        >>> MembershipName(NationId("XA"), "agreement--11111111-1111-4111-8111-111111111111").origin
        'cert.xa.example/agreements/agreement--11111111-1111-4111-8111-111111111111'
        """
        shard = f".{self.shard}" if self.shard > 1 else ""
        return f"cert.{self.nation.lower()}.example/agreements/{self.agreement_id}{shard}"

    def key(self, public: bytes) -> VerifierKey:
        """Return a nation's log key under this log's name."""
        return VerifierKey(self.origin, KeyType.ED25519, public)


def logs_of(nation: NationId) -> str:
    """Return how the origins of all of a nation's logs begin.

    >>> logs_of(NationId("XB"))
    'cert.xb.example/'
    """
    return f"cert.{nation.lower()}.example/"


def parse_origin(origin: str) -> LogName | MembershipName:
    """Read the origin line of any log of a nation.

    Raises:
        BadNote: it is no nation's log.
    """
    found = _MEMBERSHIP.fullmatch(origin)
    if found is None:
        return LogName.parse(origin)
    return MembershipName(NationId(found[1].upper()), found[2], int(found[3] or 1))


def witness_name(nation: NationId) -> str:
    """Return the name under which a nation cosigns.

    >>> witness_name(NationId("XB"))
    'cert.xb.example/witness'
    """
    return f"cert.{nation.lower()}.example/witness"


def witness_keys(nation: NationId, ed25519: bytes, mldsa44: bytes) -> tuple[VerifierKey, VerifierKey]:
    """Return a nation's two witness keys; it counts as a witness only where both have signed."""
    name = witness_name(nation)
    return (
        VerifierKey(name, KeyType.COSIGNATURE_ED25519, ed25519),
        VerifierKey(name, KeyType.COSIGNATURE_MLDSA44, mldsa44),
    )
