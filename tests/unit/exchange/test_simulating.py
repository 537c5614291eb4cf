"""What a draft would let pass, judged by the gate itself, with nothing stored and nothing sent."""

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from mithaq.agreements.model import Document
from mithaq.exchange.simulating import PAGE, simulate
from mithaq.kernel import journal
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance
from tests.world import XA, XB, XC, Treaty

WEEK = timedelta(days=7)


@pytest.fixture
def country(tmp_path: Path, at: datetime) -> Country:
    country = alliance(tmp_path, (XA, XB, XC), at, Treaty(at))[0]
    for number, tlp in enumerate((Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT)):
        country.add(number, at, tlp=tlp)
    return country


def draft(at: datetime, **changes: object) -> Document:
    treaty = Treaty(at, agreement_id="agreement--99999999-9999-4999-8999-999999999999")
    return msgspec.structs.replace(treaty.document, terms=msgspec.structs.replace(treaty.terms, **changes))


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, (0, 0, 3, 1)),
        ({"tlp_ceiling": "TLP:GREEN"}, (0, 1, 2, 1)),
        ({"tlp_ceiling": "TLP:AMBER+STRICT"}, (1, 0, 3, 0)),
        ({"kinds": ["report"]}, (0, 3, 0, 1)),
    ],
)
def test_more_less_and_the_same_are_counted_for_each_party(
    country: Country, at: datetime, changes: dict[str, object], counts: tuple[int, ...]
) -> None:
    found = simulate(country.context, draft(at, **changes), since=at - WEEK, at=at)
    assert set(found) == {XB, XC}
    assert {(each.more, each.less, each.same_released, each.same_withheld) for each in found.values()} == {counts}


def test_the_reasons_are_the_gates_own(country: Country, at: datetime) -> None:
    outlook = simulate(country.context, draft(at, tlp_ceiling="TLP:GREEN"), since=at - WEEK, at=at)[XB]
    assert outlook.reasons == {"tlp-ceiling": 2}
    assert "above" in outlook.said["tlp-ceiling"].sentence()
    assert sum(map(len, outlook.examples.values())) == 4


def test_a_draft_that_is_not_yet_in_force_is_judged_as_if_it_were(country: Country, at: datetime) -> None:
    later = msgspec.structs.replace(
        draft(at), not_before="2090-01-01T00:00:00.000Z", not_after="2091-01-01T00:00:00.000Z"
    )
    assert simulate(country.context, later, since=at - WEEK, at=at)[XB].same_released == 3


def test_an_amendment_is_compared_with_the_version_in_force(country: Country, at: datetime) -> None:
    second = msgspec.structs.replace(draft(at, tlp_ceiling="TLP:CLEAR"), id=Treaty(at).agreement_id, version=2)
    assert simulate(country.context, second, since=at - WEEK, at=at)[XB].less == 2


def test_what_came_in_before_and_what_more_than_one_page_holds(country: Country, at: datetime) -> None:
    for number in range(10, 10 + PAGE):
        country.add(number, at + WEEK)
    found = simulate(country.context, draft(at), since=at + WEEK, at=at + WEEK)
    assert found[XB].same_released == PAGE
    assert simulate(country.context, draft(at), since=at, at=at + WEEK)[XB].same_released == PAGE + 3


def test_nothing_is_stored(country: Country, at: datetime) -> None:
    def head() -> int:
        with country.db.read() as connection:
            return journal.last_seq(connection)

    before = head()
    simulate(country.context, draft(at), since=at - WEEK, at=at)
    assert head() == before
