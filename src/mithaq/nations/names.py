"""What a nation's logs and its witness are called; the one place that derives it from the nation's code.

A name looks like an address and is none: nothing is ever looked up under it.
"""

import re
from dataclasses import dataclass

from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.vkey import KeyType, VerifierKey

_ORIGIN = re.compile(r"cert\.([a-z]{2})\.example/releases/(2\d{3})(?:\.([2-9]|[1-9]\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogName:
    """One log of a nation: of a year, and the next `shard` of that year after a log was lost with a restored backup."""

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
            BadNote: it is no nation's log.
        """
        found = _ORIGIN.fullmatch(origin)
        if found is None:
            raise BadNote("%(origin)s is no nation's release log", origin=ascii(origin[:80]))
        return LogName(NationId(found[1].upper()), int(found[2]), int(found[3] or 1))


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
