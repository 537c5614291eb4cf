"""What a newer version of a MISP event gives no more loses the source's word; what a feed lists no more does not."""

from typing import Any

import pytest

from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence.imports.misp import import_misp
from mithaq.intelligence.model import ImportTerms
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.scripted import scripted
from tests.unit.exchange.sources.conftest import Fetching
from tests.unit.exchange.sources.test_misp_feed import FeedScript, event, follow, named
from tests.unit.exchange.sources.test_misp_server import ServerScript
from tests.unit.exchange.sources.test_misp_server import follow as follow_server
from tests.world import XA

OLD, NEW, NEWEST = 1_700_000_000, 1_700_000_500, 1_700_000_900


def attribute(number: int, **changes: Any) -> dict[str, Any]:
    return event(number)["Attribute"][0] | changes


def several(number: int, timestamp: int, *attributes: int, **changes: Any) -> dict[str, Any]:
    """An event of these attributes, each under the same uuid in whatever event it is."""
    return event(number, timestamp, Attribute=[attribute(each) for each in attributes], **changes)


def indicators(fetching: Fetching, name: str = "feed") -> set[int]:
    """Return the numbers of the attributes whose indicators stand by a source's word."""
    ids = [each.partition("--")[2] for each in fetching.held(name) if each.startswith("indicator--")]
    return {number for number in range(100) if named(10_000 + number) in ids}


def indicator(number: int) -> str:
    return f"indicator--{named(10_000 + number)}"


def test_an_attribute_that_is_deleted_or_dropped_loses_the_sources_word(fetching: Fetching) -> None:
    script = FeedScript(several(1, OLD, 11, 12, 13), several(2, OLD, 21))
    with scripted(script) as world:
        follow(fetching, world)
        fetching.run()
        assert indicators(fetching) == {11, 12, 13, 21}
        deleted = [attribute(11), attribute(12, deleted=True, timestamp=str(NEW))]
        script.put(event(1, NEW, Attribute=deleted))
        outcome = fetching.run()
        assert outcome.reason is None
        assert indicators(fetching) == {11, 21}
        assert outcome.withdrawn == len({"indicator", "observed-data", "network-traffic", "ipv4-addr", "based-on"}) * 2
        for number in (12, 13):
            held = fetching.object(indicator(number))
            assert not held.stands
            assert [(word.standing, word.standing_reason) for word in held.provenance] == [
                ("withdrawn", "taken out of its MISP event")
            ]
        told = fetching.journal("intelligence.withdrawn")
        assert {row for each in told for row in each["rows"]} >= {
            fetching.object(indicator(number)).row for number in (12, 13)
        }
        assert fetching.journal("exchange.fetched")[-1]["withdrawn"] == outcome.withdrawn
        script.put(several(1, NEWEST, 11, 12))
        assert fetching.run().withdrawn == 0
        assert indicators(fetching) == {11, 12, 21}


def test_an_event_that_is_emptied_takes_everything_back_but_itself(quick: Fetching) -> None:
    script = FeedScript(several(1, OLD, 11, 12), several(2, OLD, 21))
    with scripted(script) as world:
        follow(quick, world)
        quick.run()
        script.put(event(1, NEW, Attribute=[]))
        quick.run()
        assert indicators(quick) == {21}
        assert f"grouping--{named(1)}" in quick.held()


def test_what_another_event_or_somebody_else_gives_stands(fetching: Fetching) -> None:
    script, other = FeedScript(several(1, OLD, 11, 12), several(2, OLD, 12)), FeedScript(several(1, OLD, 11, 12))
    with scripted(script) as world, scripted(other) as elsewhere:
        follow(fetching, world)
        follow(fetching, elsewhere, name="other")
        fetching.run()
        fetching.run("other")
        script.put(several(1, NEW, 13))
        fetching.run()
        assert indicators(fetching) == {12, 13}  # event 2 of the same feed still gives 12
        assert indicators(fetching, "other") == {11, 12}
        assert fetching.object(indicator(11)).stands
        script.put(several(2, NEW, 14))
        fetching.run()
        assert indicators(fetching) == {13, 14}
        assert fetching.object(indicator(12)).stands
        other.put(several(1, NEW, 19))
        fetching.run("other")
        assert not fetching.object(indicator(11)).stands
        assert not fetching.object(indicator(12)).stands


def test_an_object_of_a_misp_goes_with_what_it_holds(quick: Fetching) -> None:
    parts = [attribute(31, object_relation="ip", type="ip-dst"), attribute(32, object_relation="domain", type="domain")]
    parts[1]["value"] = "evil.example"
    made = {
        "uuid": named(500), "name": "domain-ip", "meta-category": "network", "timestamp": str(OLD),
        "template_uuid": "43b3b146-77eb-4931-b4cc-b66c60f28734", "template_version": "9", "Attribute": parts,
    }  # fmt: skip
    script = FeedScript(several(1, OLD, 11, Object=[made]))
    with scripted(script) as world:
        follow(quick, world)
        quick.run()
        (whole,) = [each for each in quick.held() if each == f"indicator--{named(500)}"]
        script.put(several(1, NEW, 11, Object=[made | {"deleted": "1"}]))
        quick.run()
        assert whole not in quick.held()
        assert indicators(quick) == {11}


def test_a_server_that_is_pulled_from_takes_back_too(fetching: Fetching) -> None:
    script = ServerScript(several(1, OLD, 11, 12))
    with scripted(script) as world:
        follow_server(fetching, world)
        fetching.run()
        script.put(event(1, NEW, Attribute=[attribute(11), attribute(12, deleted=True)]))
        script.put(several(2, NEW, 21))
        fetching.run()
        assert indicators(fetching) == {11, 21}


def test_a_version_that_could_not_be_read_takes_nothing_back_until_it_can(quick: Fetching) -> None:
    script = FeedScript(several(1, OLD, 11, 12))
    with scripted(script) as world:
        follow(quick, world)
        quick.run()
        script.put(several(1, NEW, 11, date="never"))
        outcome = quick.run()
        assert (outcome.quarantined, outcome.withdrawn, indicators(quick)) == (1, 0, {11, 12})
        script.put(several(1, NEWEST, 11))
        assert quick.run().withdrawn > 0
        assert indicators(quick) == {11}


def test_an_older_version_that_is_admitted_late_brings_nothing_back(quick: Fetching) -> None:
    """As from the quarantine, or where a feed goes back to an older file and is read anew."""
    script = FeedScript(several(1, NEW, 11))
    with scripted(script) as world:
        follow(quick, world)
        quick.run()
        script.put(several(1, OLD, 11, 12))
        quick.sources.restart("feed", quick.clock.now())
        quick.run()
        assert indicators(quick) == {11}


def test_to_read_everything_anew_takes_back_what_stayed_of_older_versions(quick: Fetching) -> None:
    """A node that kept what versions before dropped mends it by itself once everything is read again."""
    script = FeedScript(several(1, OLD, 11, 12))
    with scripted(script) as world:
        follow(quick, world)
        quick.run()
        script.put(several(1, NEW, 11))
        quick.run()
        with quick.db.write(quick.clock.now()) as tx:
            tx.connection.exec_driver_sql("UPDATE object_provenance SET standing='stands'")
            tx.connection.exec_driver_sql("UPDATE objects SET stands=1")
        assert indicators(quick) == {11, 12}
        quick.sources.restart("feed", quick.clock.now())
        assert quick.run().withdrawn > 0
        assert indicators(quick) == {11}


@pytest.mark.parametrize("is_server", [False, True])
def test_what_is_listed_no_more_stays_and_is_counted(quick: Fetching, is_server: bool) -> None:
    """A feed is often a window of the newest events, a server lists what is published: neither says it was wrong."""
    script = (ServerScript if is_server else FeedScript)(*(several(number, OLD, 10 + number) for number in range(1, 6)))
    with scripted(script) as world:
        (follow_server if is_server else follow)(quick, world)
        quick.run()
        assert quick.progress().cursor["unlisted"] == 0
        kept = dict(script.manifest)
        del script.manifest[named(1)], script.manifest[named(2)]
        outcome = quick.run()
        assert (outcome.reason, outcome.withdrawn, len(indicators(quick))) == (None, 0, 5)
        assert quick.progress().cursor["unlisted"] == 2
        script.manifest.clear()
        outcome = quick.run()
        assert (outcome.reason, outcome.withdrawn, len(indicators(quick))) == (None, 0, 5)
        assert quick.progress().cursor["unlisted"] == 5
        script.manifest |= kept
        quick.run()
        assert quick.progress().cursor["unlisted"] == 0


def test_what_this_nation_imported_of_the_same_event_is_its_own_word(quick: Fetching) -> None:
    script = FeedScript(several(1, OLD, 11, 12))
    terms = ImportTerms(XA, ACTUAL, Tlp.GREEN, Pap.GREEN)
    with scripted(script) as world:
        import_misp(
            quick.holdings, script.files[named(1)], terms=terms, warning_lists=None, keep=keep_event,
            at=quick.clock.now(),
        )  # fmt: skip
        follow(quick, world)
        quick.run()
        script.put(several(1, NEW, 11))
        quick.run()
        assert quick.object(indicator(12)).stands
        report = import_misp(
            quick.holdings, script.files[named(1)], terms=terms, warning_lists=None, keep=keep_event,
            at=quick.clock.now(),
        )  # fmt: skip
        assert report.withdrawn > 0
        assert not quick.object(indicator(12)).stands
        assert quick.object(indicator(11)).stands
