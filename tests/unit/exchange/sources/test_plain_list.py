"""A list's values come, stay and go with it; half a list takes nothing away."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from mithaq.exchange.sources.model import SHRINKING, Terms
from mithaq.intelligence.imports.lists.mapping import Columns, Mapping
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.scripted import Asked, Reply, Scripted, scripted
from tests.unit.exchange.sources.conftest import Fetching


class ListScript:
    """One file with an ETag."""

    def __init__(self, *values: str) -> None:
        self.text = "".join(f"{value}\n" for value in values)

    def __call__(self, asked: Asked) -> Reply:
        body = self.text.encode()
        etag = f'"{hash(body)}"'
        return Reply(b"", 304) if asked.headers.get("if-none-match") == etag else Reply(body, headers={"etag": etag})


def address(number: int) -> str:
    return f"198.51.{number // 200}.{number % 200 + 1}"


def follow(fetching: Fetching, world: Scripted, **rest: Any) -> None:
    fetching.follow(world.address + "/list.txt", kind="list", **rest)


def fields(fetching: Fetching, stix_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fetching.object(stix_id).body)
    return found


def test_values_come_stay_and_go(fetching: Fetching, at: datetime) -> None:
    script = ListScript("# comment", *map(address, range(10)), "evil[.]example", address(3))
    with scripted(script) as world:
        follow(fetching, world)
        outcome = fetching.run()
        assert (outcome.stored, outcome.quarantined, outcome.reason) == (11, 0, None)
        first = fetching.held()
        made = fields(fetching, first[0])
        assert made["pattern"] == f"[ipv4-addr:value = '{address(0)}']"
        assert made["object_marking_refs"] == [Tlp.GREEN.marking_id]
        assert fetching.run().requests == 1
        fetching.later(hours=1)
        script.text += f"{address(50)}\n# changed\n"
        outcome = fetching.run()
        assert (outcome.stored, outcome.known, outcome.withdrawn) == (1, 0, 0)
        script.text = script.text.replace(f"{address(4)}\n", "").replace(f"{address(5)}\n", "")
        outcome = fetching.run()
        assert (outcome.stored, outcome.withdrawn) == (0, 2)
        assert set(first) - set(fetching.held()) == {first[4], first[5]}
        assert not fetching.object(first[4]).stands
        script.text += f"{address(4)}\n"
        fetching.later(hours=1)
        assert fetching.run().stored == 1
        assert fetching.object(first[4]).stands
        assert first[4] in fetching.held()


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "<html>sorry</html>", f"{address(1)}\n{address(2)}\n", "no value\n" * 9]
)
def test_an_empty_or_half_list_takes_nothing_back(quick: Fetching, text: str) -> None:
    script = ListScript(*map(address, range(10)))
    with scripted(script) as world:
        follow(quick, world)
        quick.run()
        whole, script.text = script.text, text
        outcome = quick.run()
        assert outcome.reason is not None
        assert outcome.reason.code in {"source-shrunk", "source-unreadable"}
        assert (len(quick.held()), quick.progress().standing) == (10, "active")
        script.text = whole
        assert quick.run().reason is None
        assert len(quick.held()) == 10


def test_a_list_may_shrink_by_half_or_more_where_that_was_allowed(quick: Fetching) -> None:
    script = ListScript(*map(address, range(10)))
    with scripted(script) as world:
        follow(quick, world)
        follow(quick, world, name="allowed", flags=[SHRINKING])
        quick.run()
        quick.run("allowed")
        script.text = "".join(f"{address(number)}\n" for number in range(5))
        assert quick.run().withdrawn == 5
        script.text = f"{address(1)}\n"
        assert quick.run("allowed").withdrawn == 9
        assert (len(quick.held()), len(quick.held("allowed"))) == (5, 1)
        script.text = ""
        outcome = quick.run("allowed")
        assert outcome.reason is not None
        assert outcome.reason.code == "source-shrunk"
        assert len(quick.held("allowed")) == 1


def test_what_stays_listed_is_said_anew_before_it_expires(quick: Fetching, at: datetime) -> None:
    script = ListScript(*map(address, range(3)))
    mapping = {"origin": "feed", "valid_days": 10}
    with scripted(script) as world:
        follow(quick, world, options={"mapping": mapping})
        quick.run()
        first = quick.held()
        quick.later(days=4)
        assert quick.run().stored == 0
        quick.later(days=1)
        assert quick.run().stored == 3
        assert quick.held() == first
        made = fields(quick, first[0])
        assert datetime.fromisoformat(made["valid_until"]) == at + timedelta(days=15)
        assert datetime.fromisoformat(made["created"]) == at


def test_a_csv_is_read_by_its_mapping(fetching: Fetching, at: datetime) -> None:
    import msgspec

    mapping = Mapping(
        origin="feed", form="csv", delimiter=";", header=True, comments=("//",), types={"host": "domain", "ip": "ipv4"},
        columns=Columns(value="ioc", type="kind", description="why", labels=("tags",), confidence="score",
                        valid_until="until"),
    )  # fmt: skip
    script = ListScript(
        "// made today",
        "ioc;kind;score;why;tags;until",
        "evil.example;host;80;loads things;emotet,tlp:amber;2027-01-01T00:00:00Z",
        "203.0.113.7;ip;150;;;",
        "203.0.113.8;ip;10;;;2020-01-01T00:00:00Z",
        "nothing;ip;10;;;",
        "203.0.113.9;ip;10;;;",
    )
    with scripted(script) as world:
        terms = Terms(Tlp.GREEN, Pap.AMBER, ("osint",))
        follow(fetching, world, options={"mapping": msgspec.to_builtins(mapping)}, terms=terms)
        outcome = fetching.run()
        assert (outcome.stored, outcome.quarantined) == (2, 2)
        assert fetching.reasons() == [("line 4", "line-with-bad-confidence"), ("line 6", "line-without-value")]
        made = fields(fetching, fetching.held()[0])
        assert (made["confidence"], made["description"], made["labels"]) == (
            80,
            "loads things",
            ["osint", "emotet", "PAP:AMBER"],
        )
        assert made["valid_until"] == "2027-01-01T00:00:00.000Z"
        stored = fetching.object(made["id"])
        assert (stored.tlp, stored.pap, stored.provenance[0].nation) == (Tlp.AMBER, Pap.AMBER, "source:feed")
        script.text = script.text.replace("150", "50").replace("nothing", "203.0.113.10").replace(";80;", ";90;")
        fetching.later(hours=1)
        outcome = fetching.run()
        assert (outcome.stored, outcome.quarantined, outcome.withdrawn) == (3, 0, 0)
        assert fetching.reasons() == []
        assert fields(fetching, made["id"])["confidence"] == 90
        script.text = script.text.replace("ioc;", "other;")
        outcome = fetching.run()
        assert outcome.reason is not None
        assert (outcome.reason.code, len(fetching.held())) == ("bad-list-mapping", 4)


def test_two_lists_speak_of_one_value_for_themselves(quick: Fetching) -> None:
    with scripted(ListScript(address(1), address(2), address(3))) as one, scripted(ListScript(address(1))) as two:
        follow(quick, one, name="one")
        follow(quick, two, name="two")
        quick.run("one")
        quick.run("two")
        assert len(set(quick.held("one")) | set(quick.held("two"))) == 4


def test_a_list_goes_on_where_it_was_killed(quick: Fetching) -> None:
    """What was stored of a first run is not stored again, in whatever order the rest comes."""
    script = ListScript(*map(address, range(2500)))
    with scripted(script) as world:
        follow(quick, world)
        running = quick.running
        followed = quick.sources.get("feed")
        stopped = running._admitting.store

        def dies(tx: Any, ready: Any) -> Any:
            if any(new.stix.observables[0].value == address(2000) for new in ready):
                raise KeyboardInterrupt
            return stopped(tx, ready)

        running._admitting.store = dies  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            running.run(followed)
        assert len(quick.held()) == 2000
        quick.later(hours=1)
        outcome = quick.run()
        assert (outcome.stored, outcome.known, len(quick.held())) == (500, 0, 2500)
