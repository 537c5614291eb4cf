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
ALLOWED = "--lenient private-network --lenient credential-over-http"
SECRET = "a-vendor's secret"


def test_the_recipe_for_sources_does_what_it_says(tmp_path: Path) -> None:
    root, at = tmp_path / "xa", datetime.now(UTC)
    found(DataFolder(root), Settings(nation="XA", names={"en": "Xanadu"}, contact="duty@cert.example"), b"0" * 20, at)
    (tmp_path / "vendor.secret").write_text(SECRET + "\n")
    partner = TaxiiScript([(at - timedelta(hours=1), made(1)), (at, b'{"type":"indicator","id":"indicator--bad"}')])
    vendor = TaxiiScript([(at, made(2))], change=known)
    said = []
    with scripted(partner) as first, scripted(vendor) as second, scripted(FeedScript(event(3))) as third:
        meant = {
            "https://taxii.example/": first.address + "/",
            "https://vendor.example/": second.address + "/",
            "https://misp.example/": third.address + "/",
            "vendor.secret": str(tmp_path / "vendor.secret"),
            "Premium": "Indicators",
        }
        for written in (line for block in BLOCK.findall(RECIPE) for line in block.splitlines()):
            line = reduce(lambda text, word: text.replace(word, meant[word]), meant, written)
            words = shlex.split(line + (f" {ALLOWED}" if " add " in line else ""))
            assert words[0] == "mithaq"
            answer = CliRunner().invoke(cli, ["--data", str(root), "--lang", "en", *words[1:]])
            assert answer.exit_code == 0, (line, answer.output)
            said.append((words[2:4], answer.output))
    fetched = [text for words, text in said if words[0] == "fetch"]
    assert [text.partition(" ")[0] for text in fetched] == ["1", "1", fetched[2].partition(" ")[0]]
    assert int(fetched[2].partition(" ")[0]) > 1
    shown = "".join(text for _, text in said)
    assert "indicator--bad" in shown
    assert SECRET not in shown
    node = compose(root)
    assert [(each.source.name, each.progress.standing) for each in node.sources.all()] == [
        ("partner-cert", "active"),
        ("vendor", "active"),
    ]
    assert node.sources.quarantine("partner-cert") == []
    node.close()


def known(asked: Asked, reply: Reply) -> Reply:
    return reply if asked.headers.get("authorization") == basic("xa", SECRET) else Reply(b"", 401)
