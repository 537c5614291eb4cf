"""Sources at the console: written down, fetched, looked into, stopped; a secret is never on the screen."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mithaq.exchange.sources.model import Unfit
from mithaq.exchange.sources.store import put_aside
from mithaq.kernel.reason import Reason
from mithaq.node.composition import compose
from tests.scripted import Asked, Reply, TaxiiScript, scripted
from tests.taxii import basic, made
from tests.unit.cli.conftest import Desk

NOW = datetime.now(UTC)
OPEN = ("--lenient", "private-network", "--lenient", "credential-over-http")


def test_a_source_is_added_fetched_listed_shown_paused_and_removed(xa: Desk) -> None:
    with scripted(TaxiiScript([(NOW, made(1)), (NOW, b'{"type":"x"}')])) as world:
        add = ("source", "add", "partner", world.address + "/taxii2/?", "--kind", "taxii", "--collection", "Indicators")
        assert xa(*add).code == 0
        assert xa(*add).code == 1
        assert xa("source", "fetch", "partner").code == 1, "it lies in a private network"
        assert xa("source", "remove", "partner").code == 0
        assert xa(*add, *OPEN, "--tlp", "TLP:GREEN", "--label", "osint", "--every", "600").code == 0
        done = xa.one("source", "fetch", "partner")
        assert (done["stored"], done["known"], done["quarantined"], done["code"]) == (1, 0, 1, None)
        (listed,) = xa.json("source", "list")
        assert (listed["state"], listed["stored"], listed["quarantined"]) == ("active", 1, 1)
        shown = xa.one("source", "show", "partner")
        assert (shown["labels"], shown["every"], shown["from"]) == (["osint"], 600, "source:partner")
        assert (shown["lenient"], shown["unlisted"]) == (["credential-over-http", "private-network"], None)
        (aside,) = xa.json("source", "quarantine", "partner")
        assert (aside["code"], aside["kept"], aside["bytes"]) == ("bad-stix-object", True, 12)
        assert xa.one("source", "quarantine", "partner", "--retry")["quarantined"] == 1
        assert xa.one("source", "quarantine", "partner", str(aside["row"]), "--discard")["discarded"] == 1
        assert "Nothing is in its quarantine" in xa("source", "quarantine", "partner").err
        assert xa("source", "pause", "partner").code == 0
        assert xa("source", "fetch", "partner").code == 1
        assert xa("source", "resume", "partner", "--anew").code == 0
        assert xa.one("source", "fetch", "partner")["known"] == 1
        assert xa("source", "remove", "partner").code == 0
        assert xa("source", "show", "partner").code == 3
        assert "Nothing is fetched" in xa("source", "list").err


def test_a_secret_comes_from_a_file_or_standard_input_and_is_never_shown(xa: Desk, tmp_path: Path) -> None:
    secrets = ("first-s3cret", "second-s3cret")
    right = basic("xa", secrets[1])

    def closed(asked: Asked, reply: Reply) -> Reply:
        return reply if asked.headers.get("authorization") == right else Reply(secrets[0].encode(), 401)

    with scripted(TaxiiScript([(NOW, made(1))], change=closed)) as world:
        (tmp_path / "secret").write_text(secrets[0])
        add = (
            "source",
            "add",
            "vendor",
            world.address + "/taxii2/",
            "--kind",
            "taxii",
            "--collection",
            "Indicators",
            *OPEN,
        )
        said = [xa(*add, "--auth", "basic", "--user", "xa"), xa(*add, "--user", "xa")]
        assert [each.code for each in said] == [2, 2]
        said += [xa(*add, "--auth", "basic", "--user", "xa", "--secret-file", str(tmp_path / "secret"))]
        said += [xa("source", "fetch", "vendor"), xa("source", "show", "vendor"), xa("doctor")]
        assert [each.code for each in said[2:]] == [0, 1, 0, 1]
        assert "vendor is not fetched any more: it lets this node in no more: status 401" in said[-1].out
        assert "mithaq source resume vendor" in said[-1].out
        line = ("source", "resume", "vendor", "--auth", "basic", "--user", "xa", "--secret-file", "-")
        said += [xa(*line, stdin=secrets[1].encode() + b"\n"), xa("source", "fetch", "vendor"), xa("doctor")]
        assert [each.code for each in said[-3:-1]] == [0, 0]
        assert "vendor is fetched as it should be" in said[-1].out
        said += [xa("journal", "list"), xa("source", "list")]
    told = "".join(each.out + each.err for each in said)
    assert not any(secret in told for secret in secrets)


def test_all_of_a_quarantine_is_thrown_away_though_a_thousand_are_shown(xa: Desk) -> None:
    xa("source", "add", "broken", "https://feeds.example/feed/", "--kind", "misp-feed")
    node = compose(xa.root)
    source = node.sources.get("broken").source
    with node.db.write(datetime.now(UTC)) as tx:
        put_aside(tx, source.id, [Unfit(f"line {n}", b"", Reason("bad", "bad"), "line") for n in range(1003)])
    last = node.sources.quarantine("broken", after=1000)[-1].row
    node.close()
    assert len(xa.json("source", "quarantine", "broken")) == 1000
    assert xa.one("source", "quarantine", "broken", str(last), "--discard")["discarded"] == 1
    assert xa.one("source", "quarantine", "broken", "--discard")["discarded"] == 1002


def test_a_failing_source_is_named_by_the_doctor(xa: Desk) -> None:
    with scripted(lambda asked: Reply(b"", 500)) as world:
        xa("source", "add", "broken", world.address + "/feed/", "--kind", "misp-feed", *OPEN)
        assert xa("source", "fetch", "broken").code == 1
        found = [each for each in xa.one("doctor")["findings"] if each["code"] == "source"]
        assert [each["level"] for each in found] == ["warning"]
        for _ in range(4):
            xa("source", "fetch", "broken")
        assert "broken has failed 5 times in a row" in xa("doctor").out
    node = compose(xa.root)
    assert node.sources.get("broken").progress.due_at > datetime.now(UTC) + timedelta(minutes=4)
    node.close()


def test_what_cannot_be_followed_says_why(xa: Desk) -> None:
    add = ("source", "add", "x", "--kind", "misp-feed")
    assert xa(*add, "ftp://feeds.example/").code == 1
    assert xa("source", "add", "X!", "https://feeds.example/", "--kind", "misp-feed").code == 1
    assert xa("source", "add", "feed", "https://feeds.example/", "--kind", "taxii").code == 1
    assert xa("source", "add", "feed", "https://feeds.example/", "--kind", "misp-feed", "--every", "1").code == 2
    assert xa("source", "fetch", "nobody").code == 3
