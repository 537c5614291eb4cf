import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.agreements.model import Reference
from mithaq.exchange.errors import BadRecord
from mithaq.exchange.log.record import Record, commit, read_record
from mithaq.kernel import canonical
from mithaq.kernel.canonical import BadJson
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.kernel.tlog.errors import BadNote
from mithaq.nations.names import LogName, MembershipName, parse_origin
from tests.conftest import AT
from tests.world import XA, XB

RECORD = Record(
    "release--1", "d" * 64, XA, XB, 7, Reference("agreement--1", 2, "a" * 64), "TLP:AMBER", "defence", ACTUAL,
    "release", "e" * 64, AT,
)  # fmt: skip


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["release", "void", "emergency", "receipt-given"]))
def test_a_record_is_canonical_whatever_it_says_and_reads_back(detail: str, purpose: str, action: str) -> None:
    record = replace(RECORD, detail=detail, purpose=purpose, action=action)  # type: ignore[arg-type]
    try:
        wanted = canonical.dumps(record.as_json())
    except UnicodeEncodeError:  # a lone surrogate, which no JSON carries
        return
    assert record.encode() == wanted
    assert read_record(wanted) == record


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": 2}, {"action": "nothing"}, {"sequence": "7"}, {"lane": "nowhere"}, {"at": "yesterday"},
        {"agreement": {"id": "x"}}, {"more": 1}, {"sequence": True}, {"sender": None},
    ],
)  # fmt: skip
def test_a_record_that_is_only_nearly_one_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadRecord):
        read_record(canonical.dumps(RECORD.as_json() | change))


def test_a_record_has_one_form() -> None:
    with pytest.raises(BadJson):
        read_record(json.dumps(RECORD.as_json()).encode())


def test_a_commitment_hides_the_record_and_binds_to_it(at: datetime) -> None:
    data = RECORD.encode()
    assert commit(b"1" * 32, data) != commit(b"2" * 32, data)
    assert commit(b"1" * 32, data) != commit(b"1" * 32, replace(RECORD, at=at, sequence=8).encode())


def test_records_keep_their_lane() -> None:
    lane = Lane.parse("exercise--00000000-0000-4000-8000-000000000001")
    assert read_record(replace(RECORD, lane=lane).encode()).lane == lane


@pytest.mark.parametrize("nation", [XA, XB])
@pytest.mark.parametrize("shard", [1, 2, 10])
def test_the_name_of_a_log_reads_back(nation: str, shard: int) -> None:
    name = LogName(XA if nation == XA else XB, 2026, shard)
    assert LogName.parse(name.origin) == name


@pytest.mark.parametrize("shard", [1, 2, 10])
def test_the_name_of_a_membership_log_reads_back(shard: int) -> None:
    name = MembershipName(XB, "agreement--11111111-1111-4111-8111-111111111111", shard)
    assert parse_origin(name.origin) == name
    assert parse_origin(LogName(XA, 2026, shard).origin) == LogName(XA, 2026, shard)
    for near in (name.origin + "/", name.origin.upper(), name.origin + ".1", name.origin.replace("--", "-")):
        with pytest.raises(BadNote):
            parse_origin(near)


@pytest.mark.parametrize(
    "origin",
    [
        "", "cert.xa.example/releases/2026.1", "cert.xa.example/releases/2026.02", "cert.XA.example/releases/2026",
        "cert.xa.example/releases/1026", "cert.xa.example/releases/2026/", "https://cert.xa.example/releases/2026",
        "cert.xa.example/releases/\u0662\u0660\u0662\u0666", "cert.xa.example/releases/2026\n",
    ],
)  # fmt: skip
def test_nothing_near_the_name_of_a_log_is_one(origin: str) -> None:
    with pytest.raises(BadNote):
        LogName.parse(origin)
