"""What is made from columns is what the objects themselves say."""

from dataclasses import replace
from datetime import datetime, timedelta

from mithaq.exchange.items import item_of
from mithaq.intelligence.model import Provenance
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Database
from mithaq.kernel.lane import TEST
from mithaq.release.model import NO_SCOPE
from mithaq.response.active import Naming, active_pages, naming_of
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.unit.detection.worlds import OWN, indicator
from tests.world import changed

LONG = "http://evil.example/" + "a" * 700


def test_active_indicators_are_the_same_from_columns_as_from_the_objects(db: Database, at: datetime) -> None:
    day = timedelta(days=1)
    own = Provenance.own(OWN, at, Tlp.GREEN, Pap.GREEN)
    made_for = replace(own, agreement_id="agreement--1", agreement_version=1)
    new = [
        indicator("[domain-name:value = 'a.example' OR ipv4-addr:value = '198.51.100.7']", at, until=at + day),
        indicator(f"[url:value = '{LONG}' OR domain-name:value = 'b.example']", at, until=at + day),
        indicator("[domain-name:value = 'c.example']", at, until=at + day, partner=False),
        indicator("[domain-name:value = 'd.example']", at - 2 * day, until=at - day),
        indicator("[domain-name:value = 'e.example']", at + day, until=at + 2 * day),
        replace(indicator("[domain-name:value = 'f.example']", at, until=at + day), lane=TEST),
        replace(indicator("[domain-name:value = 'g.example']", at, until=at + day), provenance=made_for),
        replace(indicator("[domain-name:value = 'h.example']", at, until=at + day), provenance=own),
    ]
    with db.write(at) as tx:
        assert Holdings(db).store(tx, [*new, replace(new[-1], provenance=made_for)]).refused == ()
    with db.read() as connection:
        found = [each for page in active_pages(connection, OWN, at) for each in page]
        held = Holdings(db).active_indicators(connection, at, 0, 100)
    counting = [stored for stored in held if stored.lane.is_operational and stored.made_for is None]
    assert list(map(_sorted, found)) == [
        _sorted(naming_of(changed(item_of(stored, OWN), scope=NO_SCOPE), stored.stix)) for stored in counting
    ]
    assert len(held) - len(counting) == 2
    assert LONG in {value.value for each in found for value in each.observables}


def _sorted(naming: Naming) -> Naming:
    return naming._replace(observables=sorted(naming.observables))
