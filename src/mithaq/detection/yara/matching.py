"""From the line about a scanned file to matches: do the rules that were true of it still count?

The scanner says what is true of the bytes. Whether the object stands, in this lane, now, the holdings say when the
line is read, as of any match.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Connection

from mithaq.detection.model import Indicator, Match, RuleSight
from mithaq.detection.yara.event import KIND, FileLine
from mithaq.intelligence import watching
from mithaq.intelligence.imports.yara import PATTERN_TYPE
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.database import EPOCH
from mithaq.standards.yara import BadYara, read_unit
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.feeds import FilesFeed, feed_of
from mithaq.telemetry.model import BrokenLine, Event, Source

_DIGEST: Final = "file.hash.sha256"
_IN_IT: Final = b'"matches":[{'
_LINE: Final = msgspec.json.Decoder(FileLine)


def matched_events(block: Block) -> list[Event]:
    """Return the lines of a block of a files' source in which a rule was true of the file."""
    if _IN_IT not in block.text or not is_of_files(block.source):
        return []
    events = (each for each in block.events() if not isinstance(each, BrokenLine))
    return [each for each in events if each.kind == KIND and _IN_IT in each.raw]


def is_of_files(source: Source) -> bool:
    """Tell whether this node itself writes the lines of a source, about files; a pushed line cannot claim a match."""
    return bool(source.feed) and isinstance(feed_of(source.feed), FilesFeed)


def rule_matches(connection: Connection, events: Sequence[Event], at: datetime) -> list[Match]:
    """Return the matches of rules that stand now, each object once an event, with its first rule that was true."""
    lines = [(event, _line(event)) for event in events]
    rows = sorted({rule.row for _, line in lines for rule in line.yara.matches})
    standing = {each.row: each for each in watching.standing_rules(connection, rows, PATTERN_TYPE)}
    return [match for event, line in lines for match in _of_event(event, line, standing, at)]


def _line(event: Event) -> FileLine:
    try:
        return _LINE.decode(event.raw)
    except msgspec.DecodeError:
        return FileLine()


def _of_event(event: Event, line: FileLine, standing: dict[int, StoredObject], at: datetime) -> Iterator[Match]:
    told: set[str] = set()
    for rule in line.yara.matches:
        stored = standing.get(rule.row)
        if stored is None or stored.lane != event.lane or stored.stix.id in told:
            continue
        indicator = _indicator(stored)
        if indicator.is_valid(at):
            told.add(stored.stix.id)
            name = rule_name(stored, rule.rule)
            yield Match(event, RuleSight(name, name, "", _answers(event, line)), indicator)


def _answers(event: Event, line: FileLine) -> tuple[tuple[str, str], ...]:
    """Return which file it is: its path and its digest."""
    digests = (each.value for field, each in event.observables if field == _DIGEST)
    return ("file.path", str(line.file.get("path", ""))), *((_DIGEST, digest) for digest in digests)


def rule_name(stored: StoredObject, number: int) -> str:
    """Return what an object calls one of its rules."""
    try:
        rules = read_unit(stored.stix.pattern).rules
    except BadYara:
        return stored.stix.name
    return rules[number].name if 0 <= number < len(rules) else stored.stix.name


def _indicator(stored: StoredObject) -> Indicator:
    stix = stored.stix
    return Indicator(
        row=stored.row,
        indicator_id=stix.id,
        modified=stix.modified or EPOCH,
        lane=stored.lane,
        observables=(),
        valid_from=stix.valid_from,
        valid_until=stix.valid_until,
    )
