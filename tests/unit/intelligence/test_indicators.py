"""This nation's own objects follow the standard, in canonical JSON, and mean exactly their observable."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import stix2

from mithaq.intelligence.indicators import identity, identity_id, new_indicator, new_sighting, pattern_of
from mithaq.kernel import canonical
from mithaq.kernel.ids import NationId
from mithaq.standards.observable import Observable, ObservableType
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp, tlp_of

XA = NationId("XA")


def indicator(observable: Observable, at: datetime) -> bytes:
    return new_indicator(
        observable,
        name="a name",
        tlp=Tlp.AMBER_STRICT,
        created_by=XA,
        at=at,
        valid_until=at + timedelta(days=30),
        description="why",
        labels=("PAP:GREEN",),
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("ipv4", "198.51.100.7"),
        ("ipv6", "2001:db8::1"),
        ("cidr", "198.51.100.0/24"),
        ("cidr", "2001:db8::/32"),
        ("domain", "evil.example"),
        ("url", "http://evil.example/it's\\here"),
        ("email", "a@evil.example"),
        ("md5", "a" * 32),
        ("sha1", "a" * 40),
        ("sha256", "a" * 64),
        ("sha512", "a" * 128),
        ("ja3", "a" * 32),
        ("ja4", "t13d1516h2_8daaf6152771_e5627efa2ab1"),
    ],
)
def test_an_own_indicator_is_valid_stix_and_means_its_observable(
    kind: ObservableType, value: str, at: datetime
) -> None:
    observable = Observable(kind, value)
    body = indicator(observable, at)
    assert stix2.parse(body.decode()).pattern == pattern_of(observable)
    parsed = parse(body)
    assert parsed.observables == (observable,)
    assert (parsed.name, parsed.labels, parsed.valid_until) == ("a name", ("PAP:GREEN",), at + timedelta(days=30))
    assert parsed.created_by_ref == identity_id(XA)
    assert tlp_of(parsed.object_marking_refs) is Tlp.AMBER_STRICT
    assert canonical.dumps(canonical.loads(body)) == body


def test_an_indicator_without_a_name_is_named_by_its_value(at: datetime) -> None:
    body = new_indicator(
        Observable("domain", "evil.example"), name="", tlp=Tlp.RED, created_by=XA, at=at, valid_until=at + timedelta(1)
    )
    assert parse(body).name == "evil.example"


def test_two_indicators_are_two_objects(at: datetime) -> None:
    observable = Observable("domain", "evil.example")
    assert parse(indicator(observable, at)).id != parse(indicator(observable, at)).id


def test_a_sighting_is_valid_stix_and_points_at_its_indicator(at: datetime) -> None:
    seen = parse(indicator(Observable("domain", "evil.example"), at)).id
    body = new_sighting(
        seen, tlp=Tlp.GREEN, created_by=XA, at=at, first_seen=at - timedelta(hours=1), last_seen=at, count=3
    )
    assert stix2.parse(body.decode()).count == 3
    assert set(parse(body).refs) == {seen, identity_id(XA)}


def test_a_nation_has_one_identity_everywhere(at: datetime) -> None:
    body = identity(XA, name="ألف", at=at)
    assert stix2.parse(body.decode()).name == "ألف"
    assert parse(body).id == identity_id(XA) != identity_id(NationId("XB"))
