"""A feed as files, read back by programs that know nothing of this node; and an object shown as an event."""

import hashlib
import json
from pathlib import Path

import pytest
from pymisp import MISPEvent

from mithaq.exchange.misp.errors import BadMisp
from mithaq.exchange.misp.files import write_feed
from mithaq.exchange.misp.preview import preview
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.tlp import Tlp
from tests.misp import ATTRIBUTE, EVENT, client, event, file_of, md5, take
from tests.taxii import GRID, Served, carried, made, name
from tests.unit.exchange.misp.test_own import report
from tests.world import XA


def test_a_feed_in_files_is_what_the_doors_serve_with_digests(served: Served, tmp_path: Path) -> None:
    served.collection()
    served.store(made(1), made(2))
    take(served, file_of())
    folder = tmp_path / "feed"
    written = write_feed(served.node.misp, GRID, folder, served.clock.now())
    assert (written.events, written.removed) == (2, 0)
    reader = client(served)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    online = reader.get("/misp/feed/manifest.json").json()
    assert manifest.keys() == online.keys()
    for uuid, entry in manifest.items():
        body = (folder / f"{uuid}.json").read_bytes()
        assert body == reader.get(f"/misp/feed/{uuid}.json").content
        assert entry.pop("integrity:sha256") == hashlib.sha256(body).hexdigest()
        assert entry == online[uuid]
        independent = MISPEvent()
        independent.load_file(str(folder / f"{uuid}.json"))
        assert {a.uuid for a in independent.attributes} == {a["uuid"] for a in json.loads(body)["Event"]["Attribute"]}
    hashes = (folder / "hashes.csv").read_text().splitlines()
    assert f"{md5('198.51.100.1')},{EVENT}" in hashes
    assert len(hashes) == 4
    assert not list(folder.glob("*.part"))


def test_what_goes_out_no_more_is_taken_away_and_nothing_else(quick: Served, tmp_path: Path) -> None:
    quick.collection()
    quick.store(made(5, tlp=Tlp.GREEN))
    take(quick, file_of())
    write_feed(quick.node.misp, GRID, tmp_path / "feed", quick.clock.now())
    (tmp_path / "feed" / "index.html").write_text("ours")
    with quick.node.db.write(quick.clock.now()) as tx:
        quick.node.holdings.withdraw(tx, f"indicator--{ATTRIBUTE}1", ACTUAL, XA, "wrong")
    written = write_feed(quick.node.misp, GRID, tmp_path / "feed", quick.clock.now())
    assert (written.events, written.removed) == (1, 1)
    assert not (tmp_path / "feed" / f"{EVENT}.json").exists()
    assert (tmp_path / "feed" / "index.html").exists()
    (tmp_path / "feed" / "manifest.json").write_text("no manifest")
    with pytest.raises(BadMisp):
        write_feed(quick.node.misp, GRID, tmp_path / "feed", quick.clock.now())


def test_hashes_name_each_part_of_a_composite_and_nothing_that_is_deleted(quick: Served) -> None:
    quick.collection()
    first, second = event()["Attribute"]
    attributes = [
        first | {"type": "filename|md5", "category": "Payload delivery", "value": f"evil.exe|{'ab' * 16}"},
        second | {"deleted": True},
    ]
    take(quick, file_of(Attribute=attributes))
    lines = client(quick).get("/misp/feed/hashes.csv").text.splitlines()
    assert lines == [f"{md5('evil.exe')},{EVENT}", f"{md5('ab' * 16)},{EVENT}"]


def shown(served: Served, object_id: str) -> tuple[dict[str, object] | None, list[str], list[str]]:
    node = served.node
    with node.db.read() as connection:
        (stored,) = node.holdings.get(connection, object_id, ACTUAL)
        found = preview(connection, node.holdings, node.misp.organisation, stored)
    return found.event, [loss.reason.code for loss in found.lost], [reason.code for reason in found.against]


def test_what_is_lost_is_listed_with_the_reason(quick: Served) -> None:
    quick.store(
        made(1, confidence=80), made(2, "malware", is_family=True, name="Crane"), report(5, name(1), name(2, "malware"))
    )
    event_, lost, against = shown(quick, name(5, "report"))
    assert event_ is not None
    assert (sorted(lost), against) == (["misp-fields", "misp-no-cluster"], [])
    assert shown(quick, name(1))[1] == ["misp-fields"]
    assert shown(quick, name(2, "malware")) == (None, ["misp-no-cluster"], [])


def test_a_foreign_event_is_shown_as_it_came_and_a_partners_object_with_what_stands_against_it(quick: Served) -> None:
    take(quick, file_of())
    assert shown(quick, f"indicator--{ATTRIBUTE}1") == (event(distribution="1"), [], [])
    quick.store(made(9), partner=carried(quick.clock.now()))
    assert shown(quick, name(9))[2] == ["misp-terms"]
