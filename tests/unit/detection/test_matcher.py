import ipaddress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mithaq.detection.matcher import Matcher
from mithaq.detection.model import Indicator
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry.model import Event
from tests.conftest import AT
from tests.unit.telemetry.events import event, seen


def indicator(
    name: str,
    *values: str,
    row: int = 1,
    lane: Lane = ACTUAL,
    version: int = 0,
    from_s: int | None = None,
    until_s: int | None = None,
) -> Indicator:
    return Indicator(
        row=row,
        indicator_id=name,
        modified=AT + timedelta(seconds=version),
        lane=lane,
        observables=tuple(seen(value) for value in values),
        valid_from=None if from_s is None else AT + timedelta(seconds=from_s),
        valid_until=None if until_s is None else AT + timedelta(seconds=until_s),
    )


def matched(matcher: Matcher, *values: str, lane: Lane = ACTUAL) -> list[str]:
    return sorted(match.indicator.indicator_id for match in matcher.match(event(AT, "e", *values, lane=lane), AT))


@pytest.mark.parametrize(
    ("wanted", "present", "is_hit"),
    [
        ("domain:evil.example", "domain:evil.example", True),
        ("domain:evil.example", "domain:a.b.evil.example", True),
        ("domain:evil.example", "domain:notevil.example", False),
        ("domain:evil.example", "domain:evil.example.org", False),
        ("domain:a.evil.example", "domain:evil.example", False),
        ("ipv4:192.0.2.4", "ipv4:192.0.2.40", False),
        ("ipv4:192.0.2.4", "ipv4:192.0.2.4", True),
        ("cidr:192.0.2.0/25", "ipv4:192.0.2.127", True),
        ("cidr:192.0.2.0/25", "ipv4:192.0.2.128", False),
        ("cidr:2001:db8::/33", "ipv6:2001:db8:7fff::1", True),
        ("cidr:2001:db8::/33", "ipv6:2001:db8:8000::1", False),
        ("cidr:192.0.2.0/24", "ipv6:2001:db8::192", False),
        ("url:http://evil.example/a", "url:http://evil.example/a", True),
        ("url:http://evil.example/a", "url:http://evil.example/ab", False),
        ("md5:" + "a" * 32, "ja3:" + "a" * 32, False),
        ("ja3:" + "a" * 32, "ja3:" + "a" * 32, True),
        ("email:a@evil.example", "email:b@evil.example", False),
        ("domain:evil.example", "email:a@evil.example", False),
    ],
)
def test_an_observable_satisfies_an_indicator_exactly(wanted: str, present: str, is_hit: bool) -> None:
    assert matched(Matcher([indicator("i", wanted)]), present) == (["i"] if is_hit else [])


def test_a_match_tells_the_field_what_was_seen_and_what_it_satisfied() -> None:
    matcher = Matcher([indicator("i", "cidr:192.0.2.0/24"), indicator("j", "domain:evil.example")])
    found = matcher.match(event(AT, "e", "ipv4:198.51.100.1", "ipv4:192.0.2.9", "domain:x.evil.example"), AT)
    assert {
        (each.indicator.indicator_id, each.sight.field, str(each.sight.seen), str(each.sight.matched)) for each in found
    } == {
        ("i", "f1", "ipv4:192.0.2.9", "cidr:192.0.2.0/24"),
        ("j", "f2", "domain:x.evil.example", "domain:evil.example"),
    }


def test_an_indicator_matches_once_however_many_fields_satisfy_it() -> None:
    matcher = Matcher([indicator("i", "domain:evil.example", "ipv4:192.0.2.9")])
    assert matched(matcher, "ipv4:192.0.2.9", "domain:evil.example", "domain:a.evil.example") == ["i"]


def test_lanes_never_match_each_other() -> None:
    exercise = Lane.parse("exercise--00000000-0000-4000-8000-000000000001")
    matcher = Matcher(indicator(str(lane), "domain:evil.example", lane=lane) for lane in (ACTUAL, TEST, exercise))
    for lane in (ACTUAL, TEST, exercise):
        assert matched(matcher, "domain:evil.example", lane=lane) == [str(lane)]


def test_an_indicator_counts_from_valid_from_up_to_but_not_at_valid_until() -> None:
    matcher = Matcher(
        [
            indicator("over", "domain:evil.example", until_s=0),
            indicator("valid", "domain:evil.example", from_s=0, until_s=1),
            indicator("ahead", "domain:evil.example", from_s=1),
        ]
    )
    assert matched(matcher, "domain:evil.example") == ["valid"]


def test_a_newer_version_takes_the_place_of_an_older_one_in_whatever_order_they_come() -> None:
    old = indicator("i", "domain:old.example", row=1, version=1)
    new = indicator("i", "domain:new.example", row=2, version=2)
    for order in ((old, new), (new, old)):
        matcher = Matcher(order)
        assert matched(matcher, "domain:old.example") == []
        assert matched(matcher, "domain:new.example") == ["i"]


_labels = st.sampled_from(["a", "b", "evil", "notevil"])
_names = st.lists(_labels, min_size=1, max_size=3).map(lambda labels: f"domain:{'.'.join(labels)}.example")
_addresses = st.one_of(
    st.integers(0, 300).map(lambda n: f"ipv4:{ipaddress.IPv4Address((192 << 24) + n)}"),
    st.integers(0, 300).map(lambda n: f"ipv6:{ipaddress.IPv6Address((0x2001 << 112) + n)}"),
)
_networks = st.builds(
    lambda address, wide: f"cidr:{address.partition(':')[2]}/{(32 if address.startswith('ipv4') else 128) - wide}",
    _addresses,
    st.integers(1, 9),
)
_others = st.sampled_from(["url:http://evil.example/a", "md5:" + "a" * 32, "ja3:" + "a" * 32, "email:a@evil.example"])
_indicators = st.builds(
    indicator,
    st.sampled_from("ijklm"),
    st.one_of(_names, _addresses, _networks, _others),
    st.one_of(_names, _networks),
    row=st.integers(1, 5),
    lane=st.sampled_from([ACTUAL, TEST]),
    version=st.integers(0, 3),
    until_s=st.sampled_from([None, 0, 5]),
)
_events = st.builds(
    lambda values, lane: event(AT, "e", *values, lane=lane),
    st.lists(st.one_of(_names, _addresses, _others), max_size=4),
    st.sampled_from([ACTUAL, TEST]),
)


def obvious(known: dict[tuple[str, Lane], Indicator], event: Event) -> set[str]:
    """Compare everything with everything."""
    return {
        name
        for (name, lane), each in known.items()
        if lane == event.lane
        and each.is_valid(AT)
        and any(satisfies(present, wanted) for _, present in event.observables for wanted in each.observables)
    }


def satisfies(present: Observable, wanted: Observable) -> bool:
    if wanted.type == "cidr":
        if present.type not in {"ipv4", "ipv6"}:
            return False
        address, network = ipaddress.ip_address(present.value), ipaddress.ip_network(wanted.value)
        return address.version == network.version and address in network
    if wanted.type == present.type == "domain":
        return f".{present.value}".endswith(f".{wanted.value}")
    return present == wanted


@settings(max_examples=300, deadline=None)
@given(st.lists(_indicators, max_size=15), _events)
def test_the_matcher_agrees_with_comparing_everything_with_everything(
    indicators: list[Indicator], event: Event
) -> None:
    known: dict[tuple[str, Lane], Indicator] = {}
    for each in indicators:
        older = known.get((each.indicator_id, each.lane))
        if older is None or (older.modified, older.row) < (each.modified, each.row):
            known[each.indicator_id, each.lane] = each
    found = Matcher(indicators).match(event, AT)
    assert {match.indicator.indicator_id for match in found} == obvious(known, event)
