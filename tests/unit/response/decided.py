"""Words of the gate for tests of response: what it released to a sensor, and what it withheld."""

from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.release.model import Item, Recipient, Released, Request, Withheld
from mithaq.release.rules import decide
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.conftest import AT

SENSOR = Recipient("sensor", "resolver")
_OWN = NationId("XA")


def _item(object_id: str) -> Item:
    return Item(object_id, "1", "indicator", "0" * 64, Tlp.GREEN, Pap.GREEN, ACTUAL, _OWN)


def released(object_id: str = "indicator--1") -> Released[Item]:
    decision = decide(Request(_item(object_id), _OWN, SENSOR, True, None, "defence", action=3), AT)
    assert isinstance(decision, Released)
    return decision


def withheld(*reasons: Reason) -> Withheld:
    return Withheld(_item("indicator--1"), SENSOR, reasons)
