from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.intelligence.model import NewObject
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.release.model import Recipient
from mithaq.response.errors import NotBlockable, UnknownNeverBlock
from mithaq.response.model import BlockEntry, ListFormat, Refusal
from mithaq.response.service import Blocklists
from mithaq.response.settings import BlocklistSettings
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.unit.detection.worlds import OWN, indicator

EXERCISE = Lane.parse("exercise--00000000-0000-4000-8000-000000000001")
SENSOR = Recipient("sensor", "edge")
Store = Callable[..., None]


@pytest.fixture(scope="session")
def warning_lists(tmp_path_factory: pytest.TempPathFactory) -> WarningLists:
    return WarningLists(tmp_path_factory.getbasetemp() / "warning-lists")


@pytest.fixture
def blocklists(db: Database, warning_lists: WarningLists) -> Blocklists:
    settings = BlocklistSettings(permit_documentation_ranges=True)
    return Blocklists(db, Holdings(db), OWN, warning_lists, settings)


@pytest.fixture
def store(db: Database, at: datetime) -> Store:
    def store(*new: NewObject) -> None:
        with db.write(at) as tx:
            assert Holdings(db).store(tx, new).refused == ()

    return store


def own(value: str, at: datetime, *, pap: Pap | None = Pap.GREEN, tlp: Tlp = Tlp.GREEN, **rest: object) -> NewObject:
    new = indicator(value, at, until=at + timedelta(days=1), partner=False, **rest)  # type: ignore[arg-type]
    return replace(new, provenance=replace(new.provenance, pap=pap, tlp=tlp))


def test_a_blocklist_holds_what_may_be_blocked_and_says_of_the_rest_why_not(
    blocklists: Blocklists, store: Store, at: datetime
) -> None:
    store(
        own("[domain-name:value = 'evil.example']", at),
        own("[ipv4-addr:value = '192.168.0.4']", at),
        own("[domain-name:value = 'amber.example']", at, pap=Pap.AMBER),
        own("[domain-name:value = 'unlabelled.example']", at, pap=None),
        indicator("[domain-name:value = 'forever.example']", at, partner=False),
        own("[domain-name:value = 'play.example']", at, lane=EXERCISE),
    )
    built = blocklists.build(SENSOR, at)
    assert [str(entry.observable) for entry in built.entries] == ["domain:evil.example"]
    reasons = {str(each.observable): {reason.code for reason in each.reasons} for each in built.refused}
    assert reasons["domain:amber.example"] == {"pap-action"}
    assert reasons["domain:unlabelled.example"] == {"pap-action"}
    assert reasons["domain:forever.example"] == {"no-expiry"}
    assert {"special-address", "warning-list"} <= reasons["ipv4:192.168.0.4"]
    assert "domain:play.example" not in reasons, "nothing of an exercise is even mentioned"


def test_a_running_exercise_changes_no_byte_of_any_list(blocklists: Blocklists, store: Store, at: datetime) -> None:
    store(own("[domain-name:value = 'evil.example']", at))
    before = [blocklists.publish(blocklists.build(SENSOR, at), each, "operator", at) for each in ListFormat]
    store(own("[domain-name:value = 'play.example']", at, lane=EXERCISE))
    after = [blocklists.publish(blocklists.build(SENSOR, at), each, "operator", at) for each in ListFormat]
    assert before == after


def test_the_serial_grows_when_the_list_changes_and_only_then(
    blocklists: Blocklists, store: Store, db: Database, at: datetime
) -> None:
    def serial(when: datetime) -> int:
        content = blocklists.publish(blocklists.build(SENSOR, when), ListFormat.RPZ, "operator", when)
        return int(content.decode().splitlines()[2].split()[4])

    store(own("[domain-name:value = 'one.example']", at))
    assert [serial(at), serial(at + timedelta(hours=1))] == [2026112300, 2026112300]
    store(own("[domain-name:value = 'two.example']", at))
    assert serial(at) == 2026112301
    with db.read() as connection:
        assert len(journal.entries(connection, 0, kinds=frozenset({"response.blocklist"}))) == 2


def test_a_value_explains_why_it_is_blocked_or_not(blocklists: Blocklists, store: Store, at: datetime) -> None:
    store(own("[domain-name:value = 'evil.example']", at), own("[ipv4-addr:value = '192.168.0.4']", at))
    (blocked,) = blocklists.why("EVIL.example.", SENSOR, at)
    assert isinstance(blocked, BlockEntry)
    (refused,) = blocklists.why("192.168.0.4", SENSOR, at)
    assert isinstance(refused, Refusal)
    (expired,) = blocklists.why("evil.example", SENSOR, at + timedelta(days=2))
    assert isinstance(expired, Refusal)
    assert [reason.code for reason in expired.reasons] == ["expired"]
    assert blocklists.why("unknown.example", SENSOR, at) == []
    with pytest.raises(NotBlockable):
        blocklists.why("not a value", SENSOR, at)


def test_what_the_nation_keeps_free_is_not_blocked(blocklists: Blocklists, store: Store, at: datetime) -> None:
    store(own("[domain-name:value = 'www.hospital.example']", at))
    blocklists.never_add("hospital.example", "the hospital", "person--1", at)
    blocklists.never_add("hospital.example", "the hospital again", "person--1", at)
    built = blocklists.build(SENSOR, at)
    assert built.entries == ()
    assert [each.note for each in built.never] == ["the hospital"]
    blocklists.never_remove("hospital.example", "person--1", at)
    assert len(blocklists.build(SENSOR, at).entries) == 1
    with pytest.raises(UnknownNeverBlock):
        blocklists.never_remove("hospital.example", "person--1", at)
    with pytest.raises(NotBlockable):
        blocklists.never_add("no value at all", "x", "person--1", at)


def test_a_withdrawn_indicator_is_blocked_no_more(
    blocklists: Blocklists, store: Store, db: Database, at: datetime
) -> None:
    new = own("[domain-name:value = 'evil.example']", at)
    store(new)
    with db.write(at) as tx:
        Holdings(db).withdraw(tx, new.stix.id, ACTUAL, OWN, "a mistake")
    assert blocklists.build(SENSOR, at).entries == ()
    (refused,) = blocklists.why("evil.example", SENSOR, at) or [None]
    assert refused is None or (isinstance(refused, Refusal) and "withdrawn" in {r.code for r in refused.reasons})


def test_a_label_too_strict_for_sensors_keeps_a_value_from_them(
    blocklists: Blocklists, store: Store, tmp_path: Path, at: datetime
) -> None:
    new = own("[domain-name:value = 'evil.example']", at, tlp=Tlp.RED)
    store(new)
    (refused,) = blocklists.build(SENSOR, at).refused
    assert "audience" in {reason.code for reason in refused.reasons}
