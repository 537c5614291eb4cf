"""Pasted text or a report: look first at what was found, then make indicators of the chosen values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from mithaq.intelligence.errors import TooMuch
from mithaq.intelligence.indicators import new_indicator
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import MAX_TEXT_CHARS
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.admiralty import Admiralty
from mithaq.standards.defang import extract
from mithaq.standards.observable import Observable
from mithaq.standards.pap import Pap
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp


@dataclass(frozen=True, slots=True)
class FoundValue:
    """One value found in a text: what it is, which held objects name it, which warning lists it stands on.

    `observable` is None for what cannot become an indicator of its own (a CVE number).
    """

    kind: str
    value: str
    written: str
    observable: Observable | None
    known_rows: tuple[int, ...]
    warned: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the value as JSON values, for `--json` and the API."""
        return {
            "type": self.kind,
            "value": self.value,
            "written": self.written,
            "known": list(self.known_rows),
            "warned": list(self.warned),
        }


@dataclass(frozen=True, slots=True)
class IndicatorTerms:
    """What holds for the indicators made in one go."""

    nation: NationId
    lane: Lane
    tlp: Tlp
    valid_until: datetime
    name: str = ""
    description: str = ""
    pap: Pap | None = None
    purpose: str | None = None
    instruction: ReleaseInstruction | None = None
    admiralty: Admiralty | None = None

    def stated(self, body: bytes, at: datetime, original: str | None = None) -> NewObject:
        """Return an object as this nation's own word; `original` names the file it was taken from."""
        word = Provenance.own(
            self.nation, at, self.tlp, self.pap, purpose=self.purpose, original=original, admiralty=self.admiralty
        )
        return NewObject(body, parse(body), self.lane, word, self.instruction)


def look_up(
    holdings: Holdings, conn: Connection, text: str, lane: Lane, warning_lists: WarningLists | None
) -> tuple[FoundValue, ...]:
    """Return the values in a text with what is known of each; nothing is created.

    Raises:
        TooMuch: the text is longer than a report may be.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise TooMuch("longer than the %(max)s characters of a report", subject="text", max=MAX_TEXT_CHARS)
    found = [(item, item.observable) for item in extract(text)]
    known = holdings.known(conn, [observable for _, observable in found if observable], lane)
    return tuple(
        FoundValue(
            kind=item.kind,
            value=item.value,
            written=item.written,
            observable=observable,
            known_rows=tuple(known.get(observable, ())) if observable else (),
            warned=warning_lists.warned(observable) if observable and warning_lists else (),
        )
        for item, observable in found
    )


def plainly_new(found: Sequence[FoundValue]) -> list[Observable]:
    """Return the values that become indicators where nobody chose: on no warning list, and known from nobody."""
    return [item.observable for item in found if item.observable and not item.warned and not item.known_rows]


def own_indicators(observables: Sequence[Observable], terms: IndicatorTerms, at: datetime) -> list[NewObject]:
    """Return new indicators of this nation for the chosen values, ready to be stored."""
    return [_own_indicator(observable, terms, at) for observable in observables]


def _own_indicator(observable: Observable, terms: IndicatorTerms, at: datetime) -> NewObject:
    body = new_indicator(
        observable,
        name=terms.name,
        description=terms.description,
        tlp=terms.tlp,
        created_by=terms.nation,
        at=at,
        valid_until=terms.valid_until,
        labels=(terms.pap.label,) if terms.pap is not None else (),
    )
    return terms.stated(body, at)
