"""The words of pushing: where events go, and what became of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from mithaq.exchange.sources.model import Source
from mithaq.exchange.sources.settings import DEFAULT_EVERY_S
from mithaq.kernel.reason import Reason

Outcome = Literal["taken", "known", "failed", "would"]
"""`known`: it has this version or a newer one; `would`: it would be sent, but nothing is (a dry run)."""

HEADER: Final = "Authorization"
"""In which header a MISP takes its key."""


@dataclass(frozen=True, slots=True)
class Target:
    """The MISP of one constituent; `flags` are those of a source."""

    id: str
    constituent: str
    address: str
    flags: frozenset[str]
    created_at: datetime

    @property
    def folder(self) -> str:
        """Return its address with a slash at its end."""
        return self.address.partition("?")[0].rstrip("/") + "/"

    @property
    def place(self) -> Source:
        """Return it as the place for which its key is sealed, and by whose rules it is asked."""
        return Source(
            self.id, self.constituent, "misp", self.address, DEFAULT_EVERY_S, self.created_at,
            flags=self.flags, auth="header",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Went:
    """What became of one event; `reason`: why it was not taken."""

    uuid: str
    outcome: Outcome
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """What one push came to.

    `left`: events that went earlier, are released no more, and are still there. `reason`: why it ended early.
    """

    events: tuple[Went, ...] = ()
    left: tuple[str, ...] = ()
    reason: Reason | None = None

    def count(self, outcome: Outcome) -> int:
        """Return how many events came to this."""
        return sum(each.outcome == outcome for each in self.events)

    def as_json(self) -> Mapping[str, Any]:
        """Return the counts as JSON values."""
        return {
            "taken": self.count("taken"),
            "known": self.count("known"),
            "failed": self.count("failed"),
            "would": self.count("would"),
            "left": list(self.left),
        }
