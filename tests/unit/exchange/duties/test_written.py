"""What constituents wrote stays as long as its terms say, a year, and is gone from every place then."""

from datetime import datetime, timedelta
from pathlib import Path

from pymisp import MISPEvent, PyMISP
from sqlalchemy import func, select

from mithaq.exchange.duties import store
from mithaq.exchange.taxii.settings import KEPT_DAYS
from mithaq.intelligence.tables import misp_event_objects, misp_events, objects, originals, provenance
from mithaq.kernel.database import Database
from mithaq.node.migrations import migrate
from mithaq.standards.tlp import Tlp
from tests.obliged import rows, sweep
from tests.taxii import BANK, GRID, ROOT, TAXII, Served, listening_node, made, name

UUID = "7b8f0b1e-1234-4abc-8def-000000000000"
DAY = timedelta(days=1)
YEAR = timedelta(days=KEPT_DAYS)


def post(served: Served, *bodies: bytes, who: str = GRID) -> None:
    content = b'{"objects":[' + b",".join(bodies) + b"]}"
    place = f"{ROOT}collections/feed/objects/"
    answer = served.client(who).post(place, content=content, headers={"content-type": TAXII})
    assert answer.json()["failure_count"] == 0
    served.settle()


def pass_days(served: Served, until: datetime) -> None:
    """Let time go on as it does on a node that runs: it sweeps at least every other day."""
    while served.clock.at < until:
        served.clock.at = min(served.clock.at + 2 * DAY, until)
        sweep(served.country, served.clock.at)


def count(served: Served, table: object) -> int:
    with served.node.db.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]


def test_a_word_is_gone_when_its_year_is_over_and_not_before(served: Served, at: datetime) -> None:
    served.collection(audience=(GRID,), can_write=True, floor=Tlp.GREEN)
    post(served, made(1, name="verbatim-marker-5c1d"), made(2))
    served.store(made(3))
    pass_days(served, at + YEAR - DAY)
    assert served.country.held(name(1))
    pass_days(served, at + YEAR)
    served.settle()
    assert not served.country.held(name(1))
    assert not served.country.held(name(2))
    assert served.country.held(name(3)), "what this nation says stays"
    assert rows(served.country, store.retained) == []
    assert rows(served.country, store.attestations) == [], "nobody is owed an attestation"
    with served.node.db.read() as connection:
        bodies = connection.scalars(select(objects.c.body)).all()
    assert not any(b"verbatim-marker-5c1d" in bytes(body) for body in bodies)


def test_what_is_said_anew_or_by_somebody_else_stays(quick: Served, at: datetime) -> None:
    quick.collection(audience=(GRID, BANK), can_write=True, floor=Tlp.GREEN)
    post(quick, made(1), made(2))
    pass_days(quick, at + 100 * DAY)
    post(quick, made(2), who=BANK)
    pass_days(quick, at + YEAR)
    assert not quick.country.held(name(1))
    (held,) = quick.country.held(name(2))
    assert [word.nation for word in held.provenance] == [f"constituent:{BANK}"]
    pass_days(quick, at + 100 * DAY + YEAR)
    assert not quick.country.held(name(2))


def test_a_misp_event_goes_with_its_file_when_the_last_word_from_it_goes(quick: Served, at: datetime) -> None:
    quick.collection(audience=(GRID,), can_write=True, floor=Tlp.GREEN)
    event = MISPEvent()
    event.from_dict(uuid=UUID, info="Seen at ours", date="2026-11-20", timestamp="1763600000")
    event.add_attribute("ip-dst", "203.0.113.7", uuid=f"{UUID[:-1]}1", timestamp="1763600000")
    with listening_node(quick) as address:
        assert PyMISP(f"{address}/misp/", quick.secret()).add_event(event)["Event"]["uuid"] == UUID
    kept = (originals, misp_events, misp_event_objects, objects)
    assert all(count(quick, table) for table in kept)
    pass_days(quick, at + YEAR)
    assert [count(quick, table) for table in kept] == [0, 0, 0, 0]


def test_what_was_written_before_the_node_kept_such_books_falls_due_too(tmp_path: Path, at: datetime) -> None:
    url = f"sqlite:///{tmp_path / 'older.db'}"
    migrate(url, "0021")
    database = Database.open(url)
    with database.write(at) as tx:
        held = {"row": 7, "stix_id": name(1), "type": "indicator", "lane": "actual", "revoked": False}
        shown = {"matchable": False, "name": "", "tlp": 1, "stands": True, "stored_at": at}
        tx.execute(objects.insert().values(**held, **shown, digest=b"0", body=b"{}"))
        said = {"object": 7, "source": "constituent", "nation": f"constituent:{GRID}", "tlp": 1, "carried": {}}
        tx.execute(provenance.insert().values(**said, received_at=at, standing="stands", standing_reason=""))
    migrate(url)
    with database.read() as connection:
        (row,) = connection.execute(select(store.retained)).all()
    assert (row.object_row, row.nation, row.due_at) == (7, f"constituent:{GRID}", at + YEAR)
    database.close()
