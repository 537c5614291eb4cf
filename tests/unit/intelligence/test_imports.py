"""Whatever a file holds, its good objects are stored as they came and its bad ones are named."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence.errors import MispFailed, TooMuch
from mithaq.intelligence.imports.bundle import import_bundle
from mithaq.intelligence.imports.misp import import_misp
from mithaq.intelligence.imports.text import IndicatorTerms, look_up, own_indicators
from mithaq.intelligence.model import ImportReport, ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import CLI_FILE, MISP_MAX_BYTES, PAGE_UPLOAD
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.lane import ACTUAL
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

UUID = "5b8f0b1e-1234-4abc-8def-00000000000"
MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def indicator(number: int, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "type": "indicator",
        "id": f"indicator--{UUID}{number}",
        "modified": "2026-01-02T03:04:05.678Z",
        "pattern": f"[domain-name:value = 'evil{number}.example']",
        "pattern_type": "stix",
    } | changes
    return json.dumps({key: value for key, value in fields.items() if value is not None}).encode()


def bundle(*bodies: bytes) -> bytes:
    return b'{"type":"bundle","id":"bundle--1","objects":[' + b",\n".join(bodies) + b"]}"


def imported(
    holdings: Holdings, data: bytes | stix.Readable, terms: ImportTerms, at: datetime, **changes: Any
) -> ImportReport:
    door = replace(CLI_FILE, **changes)
    return import_bundle(holdings, data, door=door, terms=terms, warning_lists=None, at=at)


def test_one_bad_object_never_stops_the_rest(sqlite_holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    bad = [
        (indicator(1, id=None), "#1"),
        (indicator(2, revoked="yes"), f"indicator--{UUID}2"),
        (b'{"type":"x-a","id":"x-a--1","a":NaN}', "x-a--1"),
        (b'{"type":"x-a","type":"x-b","id":"x-a--2"}', "x-a--2"),
        (b'{"id":"x-deep--3","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "x-deep--3"),
        (b"7", "#6"),
        (indicator(7, description="x" * 9_000_000), f"indicator--{UUID}7"),
    ]
    report = imported(sqlite_holdings, bundle(indicator(0), *(body for body, _ in bad), indicator(9)), terms, at)
    assert (report.stored, report.broken) == (2, None)
    assert [name for name, _ in report.refused] == [name for _, name in bad]
    assert all(reason.sentence() for _, reason in report.refused)


def test_what_came_before_a_break_is_kept(sqlite_holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    report = imported(sqlite_holdings, bundle(indicator(0), indicator(1))[:-30], terms, at)
    assert report.stored == 1
    assert report.broken is not None
    assert "after 1 objects" in report.broken.sentence()


def test_a_file_that_is_no_bundle_at_all_is_an_error(
    sqlite_holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    with pytest.raises(stix.BadBundle):
        imported(sqlite_holdings, b"not json", terms, at)


def test_each_door_has_its_limit(sqlite_holdings: Holdings, terms: ImportTerms, at: datetime) -> None:
    many = bundle(*(indicator(number) for number in range(5)))
    with pytest.raises(TooMuch):
        import_bundle(
            sqlite_holdings,
            b" " * (PAGE_UPLOAD.max_bytes + 1),
            door=PAGE_UPLOAD,
            terms=terms,
            warning_lists=None,
            at=at,
        )
    by_count = imported(sqlite_holdings, many, terms, at, max_objects=3)
    assert (by_count.stored, by_count.broken and by_count.broken.code) == (3, "door-limit")
    with pytest.raises(TooMuch):
        imported(sqlite_holdings, io.BytesIO(many), terms, at, max_bytes=len(many) - 1)


def test_an_importers_label_never_widens_the_objects_own(
    sqlite_holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    data = bundle(
        indicator(0),
        indicator(1, object_marking_refs=[Tlp.RED.marking_id]),
        indicator(2, object_marking_refs=[Tlp.CLEAR.marking_id], labels=["PAP:AMBER"]),
    )
    imported(sqlite_holdings, data, terms, at)
    imported(sqlite_holdings, bundle(indicator(3)), replace(terms, tlp=None, pap=Pap.RED), at)
    with sqlite_holdings.db.read() as connection:
        stored = [sqlite_holdings.get(connection, f"indicator--{UUID}{n}", ACTUAL)[0] for n in range(4)]
    assert [each.tlp for each in stored] == [Tlp.GREEN, Tlp.RED, Tlp.GREEN, Tlp.RED]
    assert [each.pap for each in stored] == [None, None, Pap.AMBER, Pap.RED]


def test_poor_indicators_are_told_of(
    sqlite_holdings: Holdings, terms: ImportTerms, warning_lists: WarningLists, at: datetime
) -> None:
    data = bundle(
        indicator(0, pattern="[ipv4-addr:value = '8.8.8.8']"),
        indicator(1, pattern="[file:name = 'x'] FOLLOWEDBY [file:name = 'y']"),
        indicator(2),
    )
    report = import_bundle(sqlite_holdings, data, door=CLI_FILE, terms=terms, warning_lists=warning_lists, at=at)
    assert report.stored == 3
    assert [(item.value, bool(item.lists)) for item in report.warned] == [("8.8.8.8", True)]
    assert [name for name, _ in report.unmatchable] == [f"indicator--{UUID}1"]
    assert report.as_json()["warned_count"] == 1


def test_attack_is_imported_and_every_byte_is_kept(
    data_dir: Path, sqlite_holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    data = gzip.decompress((data_dir / "attack" / "ics.json.gz").read_bytes())
    report = imported(sqlite_holdings, data, terms, at)
    pieces = [item for item in stix.split_bundle(data) if isinstance(item, stix.Piece)]
    assert (report.stored, report.refused_count, report.broken) == (len(pieces), 0, None)
    with sqlite_holdings.db.read() as connection:
        held = {item.body for item in sqlite_holdings.rows(connection, range(1, len(pieces) + 1))}
        found = sqlite_holdings.search(connection, "type:malware stuxnet", ACTUAL, None, 5, at=at)
    assert held == {piece.body for piece in pieces}
    assert "Stuxnet" in [item.stix.name for item in found.objects]
    assert imported(sqlite_holdings, data, terms, at).duplicates == len(pieces)


@pytest.mark.parametrize(
    ("name", "indicators"),
    [
        ("winter_vivern_misp-wintervivern.event.json", 4),
        ("backdoordiplomacy_misp.event_2021-06-10_backdoordiplomacy.json", 66),
        ("windigo_ebury.misp.json", 63),
        ("sshdoor_misp-events_kamino.json", 0),
    ],
)
def test_a_real_misp_event_is_imported_and_its_file_kept(
    data_dir: Path, sqlite_holdings: Holdings, terms: ImportTerms, at: datetime, name: str, indicators: int
) -> None:
    file = (data_dir / "misp-events" / name).read_bytes()
    report = import_misp(sqlite_holdings, file, terms=terms, warning_lists=None, keep=keep_event, at=at)
    assert report.stored > 15
    assert (report.refused_count, report.broken) == (0, None)
    with sqlite_holdings.db.read() as connection:
        assert len(sqlite_holdings.active_indicators(connection, at, 0, 1000)) == indicators
        (first,) = sqlite_holdings.rows(connection, [1])
        assert sqlite_holdings.original(connection, first.provenance[0].original or "") == file
        assert first.provenance[0].carried["misp"]["info"]


def misp_event(number: int, **changes: Any) -> dict[str, Any]:
    values = {f"{UUID}{number}": ("ja3-fingerprint-md5", MD5), f"{UUID[:-1]}a{number}": ("ip-dst", "198.51.100.7")}
    attributes = [
        {"uuid": uuid, "type": kind, "category": "Network activity", "to_ids": True, "value": value}
        for uuid, (kind, value) in values.items()
    ]
    fields = {
        "uuid": f"{UUID[:-1]}e{number}",
        "info": "حملة",
        "date": "2026-01-01",
        "timestamp": "1600000000",
        "Orgc": {"name": "X", "uuid": f"{UUID[:-1]}f{number}"},
        "Tag": [{"name": "tlp:amber"}, {"name": "PAP:RED"}],
        "Attribute": [attribute | {"timestamp": "1600000000"} for attribute in attributes],
    }
    return {"Event": fields | changes}


def test_an_events_tags_hold_for_its_objects_and_a_bad_event_is_named(
    sqlite_holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    broken = misp_event(2, Attribute=[{"type": "no-such-type", "value": {"x": 1}}], date="never")
    file = json.dumps({"response": [misp_event(1), {"Event": {"uuid": "u-3"}}, broken, 7]}).encode()
    report = import_misp(sqlite_holdings, file, terms=terms, warning_lists=None, keep=keep_event, at=at)
    assert "event u-3" in [name for name, _ in report.refused]
    assert "event #3" in [name for name, _ in report.refused]
    with sqlite_holdings.db.read() as connection:
        active = sqlite_holdings.active_indicators(connection, at, 0, 10)
    assert {str(item) for each in active for item in each.stix.observables} == {f"ja3:{MD5}", "ipv4:198.51.100.7"}
    assert {(each.tlp, each.pap) for each in active} == {(Tlp.AMBER, Pap.RED)}


def test_an_event_that_comes_again_under_another_tag_takes_its_unchanged_attributes_along(
    sqlite_holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    found = []
    for tag, timestamp in (
        ("tlp:green", 1_600_000_000),
        ("tlp:red", 1_600_000_500),
        ("tlp:green", 1_600_000_000),  # an older file that comes late corrects nothing
        ("tlp:amber", 1_600_001_000),  # the label was too strict
    ):
        event = misp_event(1, Tag=[{"name": tag}], timestamp=str(timestamp))
        import_misp(
            sqlite_holdings, json.dumps(event).encode(), terms=terms, warning_lists=None, keep=keep_event, at=at
        )
        with sqlite_holdings.db.read() as connection:
            found.append([each.tlp for each in sqlite_holdings.active_indicators(connection, at, 0, 10)])
    assert found == [[tlp, tlp] for tlp in (Tlp.GREEN, Tlp.RED, Tlp.RED, Tlp.AMBER)]


def test_what_has_no_pap_label_is_told_and_labelled_by_importing_it_again(
    sqlite_holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    own, red = indicator(1, labels=["PAP:CLEAR"]), indicator(2, object_marking_refs=[Tlp.RED.marking_id])
    file = bundle(indicator(0), own, red)
    assert imported(sqlite_holdings, file, terms, at).without_pap == 1  # what is TLP:RED goes nowhere anyway
    again = imported(sqlite_holdings, file, replace(terms, pap=Pap.AMBER), at)
    assert (again.without_pap, again.as_json()["without_pap"], again.duplicates) == (0, 0, 3)
    with sqlite_holdings.db.read() as connection:
        stored = sqlite_holdings.rows(connection, range(1, 4))
    assert [each.pap for each in stored] == [Pap.AMBER] * 3


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"not json",
        b'{"Event": {"info": "cut off"',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"Event":' + b"[" * 500 + b"]" * 500 + b"}",
    ],
)
def test_a_misp_file_that_cannot_be_read_is_an_error(
    sqlite_holdings: Holdings, terms: ImportTerms, at: datetime, file: bytes
) -> None:
    with pytest.raises(MispFailed) as caught:
        import_misp(sqlite_holdings, file, terms=terms, warning_lists=None, keep=keep_event, at=at)
    assert str(caught.value)


def test_a_misp_file_past_the_limit_is_refused_unread(
    sqlite_holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    with pytest.raises(TooMuch):
        import_misp(
            sqlite_holdings, b" " * (MISP_MAX_BYTES + 1), terms=terms, warning_lists=None, keep=keep_event, at=at
        )


def test_pasted_text_is_looked_up_before_anything_is_made(
    sqlite_holdings: Holdings, terms: ImportTerms, warning_lists: WarningLists, at: datetime
) -> None:
    imported(sqlite_holdings, bundle(indicator(0)), terms, at)
    text = "يتصل بالخادم evil0[.]example ثم 8[.]8[.]8[.]8 و new[.]example عبر CVE-2026-12345"
    with sqlite_holdings.db.read() as connection:
        found = look_up(sqlite_holdings, connection, text, ACTUAL, warning_lists)
    looked_up = {item.value: (item.kind, bool(item.known_rows), bool(item.warned)) for item in found}
    assert looked_up == {
        "evil0.example": ("domain", True, False),
        "8.8.8.8": ("ipv4", False, True),
        "new.example": ("domain", False, False),
        "CVE-2026-12345": ("cve", False, False),
    }


def test_chosen_values_become_indicators_of_this_nation(
    sqlite_holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    with sqlite_holdings.db.read() as connection:
        found = look_up(sqlite_holdings, connection, f"new[.]example JA3 {MD5}", ACTUAL, None)
    chosen = [item.observable for item in found if item.observable]
    own = IndicatorTerms(terms.nation, ACTUAL, Tlp.AMBER, at + timedelta(days=30), name="n", pap=Pap.GREEN)
    with sqlite_holdings.db.write(at) as tx:
        report = sqlite_holdings.store(tx, own_indicators(chosen, own, at))
    with sqlite_holdings.db.read() as connection:
        stored = sqlite_holdings.rows(connection, report.rows)
    assert [str(item.stix.observables[0]) for item in stored] == ["domain:new.example", f"ja3:{MD5}"]
    assert {(item.tlp, item.pap, item.provenance[0].source) for item in stored} == {(Tlp.AMBER, Pap.GREEN, "own")}


def test_a_text_longer_than_a_report_is_refused(sqlite_holdings: Holdings) -> None:
    with sqlite_holdings.db.read() as connection, pytest.raises(TooMuch):
        look_up(sqlite_holdings, connection, "x" * 2_000_001, ACTUAL, None)


def test_what_is_deleted_in_a_misp_event_becomes_no_indicator(
    sqlite_holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    event = misp_event(1)
    event["Event"]["Attribute"] = [each | {"deleted": "1"} for each in event["Event"]["Attribute"][:1]] + (
        event["Event"]["Attribute"][1:]
    )
    import_misp(sqlite_holdings, json.dumps(event).encode(), terms=terms, warning_lists=None, keep=keep_event, at=at)
    with sqlite_holdings.db.read() as connection:
        found = sqlite_holdings.active_indicators(connection, at, 0, 10)
    assert [each.stix.id.partition("--")[2] for each in found] == [event["Event"]["Attribute"][1]["uuid"]]
