"""What a source gave in one go: a page, an event, a part of a list; and what is to be noted with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mithaq.exchange.sources.model import Unfit
from mithaq.intelligence.model import ImportTerms
from mithaq.kernel.database import Transaction


@dataclass(frozen=True, slots=True)
class Batch:
    """Objects as the bytes they came in, and how far the source has come once they are stored.

    `terms`: where they are other than the source's, as those of an event with tags of its own. `original`: media type
    and bytes of the foreign file they were converted from. `note` runs in the transaction that stores the last of them
    and saves `cursor`; it says how many words it took back.
    """

    bodies: Sequence[bytes] = ()
    unfit: Sequence[Unfit] = ()
    cursor: Mapping[str, Any] | None = None
    terms: ImportTerms | None = None
    original: tuple[str, bytes] | None = None
    note: Callable[[Transaction], int] | None = field(default=None, compare=False)
