"""Why a constituent does or does not read an object says what its shelf shows."""

from datetime import datetime

from mithaq.exchange.taxii.why import NOT_CARRIED, Why, why
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.taxii import GRID, ROOT, Served, carried, ids_in, made, name
from tests.world import XA


def told(served: Served, object_id: str) -> list[Why]:
    with served.node.db.read() as connection:
        feed = served.node.collections.get(connection, "feed")
        return why(connection, XA, feed, object_id, served.clock.now())


def test_nothing_stands_against_what_is_on_the_shelf_and_something_against_all_else(
    served: Served, at: datetime
) -> None:
    served.collection(types=("indicator", "report"))
    bodies = [
        made(1),
        made(2, tlp=None),
        made(3, tlp=Tlp.RED),
        made(4, pap=None),
        made(5, pap=Pap.RED),
        made(6, "malware", name="m", is_family=False),
        made(7, "report", name="r", published="2026-11-23T11:00:00.000Z", object_refs=[name(1)]),
        made(8, "report", name="r", published="2026-11-23T11:00:00.000Z", object_refs=[name(3)]),
        made(9, revoked=True),
    ]
    served.store(*bodies)
    served.store(made(10), partner=carried(at, constituents=None))
    shown = ids_in(served.client().get(f"{ROOT}collections/feed/objects/").content)
    ids = [name(number, kind) for number, kind in enumerate(
        ("indicator",) * 5 + ("malware", "report", "report") + ("indicator",) * 2, 1
    )]  # fmt: skip
    answers = {each: told(served, each) for each in ids}
    assert {each.constituent for found in answers.values() for each in found} == {GRID}
    assert {object_id for object_id, (each,) in answers.items() if not each.reasons} == set(shown) != set()
    assert [each.code for each in answers[name(6, "malware")][0].reasons] == [NOT_CARRIED.code]
    assert len(answers[name(3)][0].reasons) == 1


def test_nobody_is_told_of_where_nobody_reads_or_nothing_is_held(served: Served) -> None:
    served.collection()
    assert told(served, name(1)) == []
    served.store(made(1))
    served.node.collections.exclude("feed", GRID, served.clock.now())
    assert told(served, name(1)) == []
