"""The recipe for sources is run as it is written, against servers of the world on loopback."""

import re
import shlex
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path

from click.testing import CliRunner

from mithaq.cli.main import cli
from mithaq.node.composition import compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found
from mithaq.node.settings import Settings
from tests.scripted import Asked, Reply, TaxiiScript, scripted
from tests.taxii import basic, made
from tests.unit.exchange.sources.test_misp_feed import FeedScript, event

RECIPE = (Path(__file__).resolve().parents[2] / "docs" / "sources.md").read_text("utf-8")
BLOCK = re.compile(r"```\n(.*?)```", re.DOTALL)
MAPPING = re.compile(r"```json\n(.*?)```", re.DOTALL)
ALLOWED = "--lenient private-network --lenient credential-over-http"
SECRET = "a-vendor's secret"


def test_the_recipe_for_sources_does_what_it_says(tmp_path: Path) -> None:
    root, at = tmp_path / "xa", datetime.now(UTC)
    found(DataFolder(root), Settings(nation="XA", names={"en": "Xanadu"}, contact="duty@cert.example"), b"0" * 20, at)
    (tmp_path / "vendor.secret").write_text(SECRET + "\n")
    partner = TaxiiScript([(at - timedelta(hours=1), made(1)), (at, b'{"type":"indicator","id":"indicator--bad"}')])
    vendor = TaxiiScript([(at, made(2))], change=known)
    (mapping,) = MAPPING.findall(RECIPE)
    (tmp_path / "scored.json").write_text(mapping)
    scored = Reply(b"ioc;score;why;until\nevil.example;80;loads;2099-01-01T00:00:00Z\n")
    said = []
    with (
        scripted(partner) as first,
        scripted(vendor) as second,
        scripted(FeedScript(event(3))) as third,
        scripted(lambda asked: scored) as fourth,
    ):
        meant = {
            "https://taxii.example/": first.address + "/",
            "https://vendor.example/": second.address + "/",
            "https://misp.example/": third.address + "/",
            "https://lists.example/": fourth.address + "/",
            "vendor.secret": str(tmp_path / "vendor.secret"),
            "scored.json": str(tmp_path / "scored.json"),
            "Premium": "Indicators",
        }
        for written in (line for block in BLOCK.findall(MAPPING.sub("", RECIPE)) for line in block.splitlines()):
            line = reduce(lambda text, word: text.replace(word, meant[word]), meant, written)
            words = shlex.split(line + (f" {ALLOWED}" if " add " in line else ""))
            assert words[0] == "mithaq"
            answer = CliRunner().invoke(cli, ["--data", str(root), "--lang", "en", *words[1:]])
            assert answer.exit_code == 0, (line, answer.output)
            said.append((words[2:4], answer.output))
    fetched = {words[1]: int(text.partition(" ")[0]) for words, text in said if words[0] == "fetch"}
    assert fetched == {"partner-cert": 1, "vendor": 1, "osint": fetched["osint"], "scored": 1}
    assert fetched["osint"] > 1
    shown = "".join(text for _, text in said)
    assert "indicator--bad" in shown
    assert SECRET not in shown
    node = compose(root)
    assert [(each.source.name, each.progress.standing) for each in node.sources.all()] == [
        ("allied-misp", "active"),
        ("bad-hosts", "active"),
        ("partner-cert", "active"),
        ("scored", "active"),
        ("vendor", "active"),
    ]
    assert node.sources.quarantine("partner-cert") == []
    node.close()


def known(asked: Asked, reply: Reply) -> Reply:
    return reply if asked.headers.get("authorization") == basic("xa", SECRET) else Reply(b"", 401)
