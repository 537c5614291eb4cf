"""The words of pushing: where events go, and what became of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from mithaq.exchange.sources.model import Source
from mithaq.exchange.sources.settings import DEFAULT_EVERY_S
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.reason import Reason

Outcome = Literal["taken", "known", "failed", "would"]
"""`known`: it has this version or a newer one; `would`: it would be sent, but nothing is (a dry run)."""

MAX_SHOWN: Final = 100
"""Events that are kept of a push by name: those that were not taken, and those that are still there."""

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
class Sighted:
    """How many sightings a server took, and why no more of them."""

    count: int = 0
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """What one push came to.

    `left`: events that went earlier, are released no more, and are still there. `reason`: why it ended early.
    """

    events: tuple[Went, ...] = ()
    left: tuple[str, ...] = ()
    sighted: Sighted = Sighted()
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
            "sightings": self.sighted.count,
        }


@dataclass(frozen=True, slots=True)
class Last:
    """What the last push to a target came to; `failed`: the first events that were not taken, with the reasons."""

    at: datetime
    taken: int
    known: int
    failed_count: int
    left: tuple[str, ...]
    failed: tuple[Went, ...]
    reason: Reason | None

    @staticmethod
    def of(done: Pushed, at: datetime) -> "Last":
        """Return what is kept of a push."""
        failed = tuple(each for each in done.events if each.outcome == "failed")
        return Last(
            at, done.count("taken"), done.count("known"), len(failed), done.left[:MAX_SHOWN], failed[:MAX_SHOWN],
            done.reason,
        )  # fmt: skip

    @staticmethod
    def of_json(value: Mapping[str, Any]) -> "Last":
        """Read it again."""
        failed = tuple(
            Went(each["event"], "failed", Reason.of_json(each["reason"]) if each["reason"] else None)
            for each in value["failed"]
        )
        reason = Reason.of_json(value["reason"]) if value["reason"] else None
        counts = (value["taken"], value["known"], value["failed_count"])
        return Last(from_rfc3339(value["at"]), *counts, tuple(value["left"]), failed, reason)

    def as_json(self) -> Mapping[str, Any]:
        """Return it as JSON values."""
        failed = [
            {"event": each.uuid, "reason": each.reason.as_json() if each.reason else None} for each in self.failed
        ]
        return {
            "at": rfc3339(self.at), "taken": self.taken, "known": self.known, "failed_count": self.failed_count,
            "left": list(self.left), "failed": failed, "reason": self.reason.as_json() if self.reason else None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that left for a target: the time of its version, and when it left."""

    uuid: str
    version_at: datetime
    at: datetime
