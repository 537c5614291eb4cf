from hypothesis import given
from hypothesis import strategies as st

from mithaq.response.places import Kept, Place, place_of
from mithaq.response.special import special_use, zones_of
from mithaq.standards.addresses import range_of
from tests.unit.telemetry.events import seen

_NAMES = st.lists(st.sampled_from(["a", "b", "evil"]), min_size=1, max_size=4).map(".".join)
_NETWORKS = st.builds(
    lambda third, prefix: Place(network=range_of(f"10.0.{third >> (24 - prefix) << (24 - prefix)}.0/{prefix}")),
    st.integers(0, 255),
    st.integers(16, 24),
)
_PLACES = (
    st.builds(lambda name, is_zone: Place(None, name, is_zone), _NAMES, st.booleans())
    | _NETWORKS
    | st.just(Place(range_of("2001:db8::1")))
)


def touches(blocked: Place, kept: Place) -> bool:
    if blocked.network and kept.network:
        return blocked.network.touches(kept.network)
    if not blocked.name or not kept.name:
        return False
    above, below = kept.name in zones_of(blocked.name), blocked.name in zones_of(kept.name)
    return above or (blocked.is_zone and below)


@given(st.lists(_PLACES, max_size=12), _PLACES)
def test_what_a_value_touches_is_found_among_many_as_one_by_one(kept: list[Place], blocked: Place) -> None:
    assert Kept(kept).touched(blocked) == [number for number, each in enumerate(kept) if touches(blocked, each)]


def test_a_value_is_where_its_host_is() -> None:
    assert place_of(seen("url:http://evil.com:8080/a")) == Place(name="evil.com")
    assert place_of(seen("url:http://8.8.4.4/a")) == place_of(seen("ipv4:8.8.4.4")) == Place(range_of("8.8.4.4"))
    assert place_of(seen("domain:evil.com")).is_zone
    assert place_of(seen("ja3:" + "a" * 32)) == Place()


def test_a_wide_network_has_the_special_use_of_the_lowest_range_in_it() -> None:
    assert special_use(range_of("0.0.0.0/1")) == "this network"
    assert special_use(range_of("172.31.255.255")) == "private use"
    assert special_use(range_of("172.32.0.0")) == ""
    assert special_use(range_of("fe80::1")) == "link local"
