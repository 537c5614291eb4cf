"""Hypothesis strategies shared by all tests: observables, STIX objects, hostile JSON, questions to the gate."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
from hypothesis import strategies as st

from mithaq.agreements.effective import agreed_terms, narrowed
from mithaq.agreements.model import Agreement, Document, Party, Reference, Reservation
from mithaq.agreements.terms import Baseline, Ceiling, Jurisdiction, Narrowing, Onward, Terms, Transform
from mithaq.agreements.vocabulary import (
    ContentClass,
    FieldClass,
    LaneKind,
    PapName,
    Purpose,
    SeverityName,
    TlpName,
    Words,
)
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.kernel.signing import Envelope
from mithaq.release.model import Carried, Item, Recipient, Request
from mithaq.standards.observable import Observable, ObservableType
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_HEX = "0123456789abcdef"
_LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20).filter(
    lambda label: not label.startswith("-") and not label.endswith("-") and not label.startswith("xn--")
)

uuids = st.uuids(version=4).map(str)
octets = st.integers(0, 255)
ipv4 = st.tuples(octets, octets, octets, octets).map(lambda four: ".".join(map(str, four)))
domains = st.lists(_LABEL, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "example"]))
hashes = st.sampled_from([("md5", 32), ("sha1", 40), ("sha256", 64), ("sha512", 128), ("ja3", 32)]).flatmap(
    lambda kind: st.text(_HEX, min_size=kind[1], max_size=kind[1]).map(lambda digits: _observable(kind[0], digits))
)


def _observable(kind: ObservableType, value: str) -> Observable:
    return Observable(kind, value)


observables = st.one_of(
    ipv4.map(lambda value: _observable("ipv4", value)),
    domains.map(lambda value: _observable("domain", value)),
    domains.map(lambda value: _observable("url", f"http://{value}/it's/a\\path")),
    domains.map(lambda value: _observable("email", f"someone@{value}")),
    hashes,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def stix_bodies(draw: st.DrawFn) -> bytes:
    """One STIX object with unknown fields, unusual spacing, any order of keys and any escaping."""
    kind = draw(st.sampled_from(["x-acme-thing", "malware", "identity", "note"]))
    fields: dict[str, Any] = {
        "type": kind,
        "id": f"{kind}--{draw(uuids)}",
        "spec_version": "2.1",
        "created": "2026-01-02T03:04:05.678Z",
        "modified": "2026-01-02T03:04:05.678Z",
        "name": draw(st.text(max_size=40)),
    }
    fields |= draw(
        st.dictionaries(st.text(min_size=1, max_size=8).map(lambda key: f"x_{key}"), json_values, max_size=4)
    )
    keys = draw(st.permutations(list(fields)))
    text = json.dumps(
        {key: fields[key] for key in keys},
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 1, "\t"])),
    )
    return text.encode("utf-8", "replace")


@st.composite
def bundles(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A bundle with its objects' bytes, spaced in any way."""
    bodies = draw(st.lists(stix_bodies(), max_size=6))
    space = st.text(" \t\r\n", max_size=3).map(str.encode)
    inside = b",".join(draw(space) + body + draw(space) for body in bodies)
    head = b'{"type":"bundle","id":"bundle--%s","objects":[' % str(uuid.UUID(int=0)).encode()
    return draw(space) + head + inside + b"]" + draw(space) + b"}", bodies


NATIONS = tuple(NationId(code) for code in ("XA", "XB", "XC", "XD"))
nations = st.sampled_from(NATIONS)
tlps = st.sampled_from(Tlp)
paps = st.sampled_from(Pap)
purposes = st.sampled_from(get_args(Purpose))
kinds = st.sampled_from(["indicator", "malware", "report", "note"])
lanes = st.sampled_from([ACTUAL, TEST, Lane("exercise--11111111-1111-4111-8111-111111111111")])
INSTANT = datetime(2026, 11, 23, 12, tzinfo=UTC)
instants = st.integers(-20, 20).map(lambda days: INSTANT + timedelta(days=days))


def _some(values: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


terms = st.builds(
    Terms,
    kinds=_some(["indicator", "malware", "report", "note"]),
    tlp_ceiling=tlps.map(lambda tlp: tlp.label),
    pap_ceiling=paps.map(lambda pap: pap.label),
    purposes=_some(get_args(Purpose)),
    onward=st.builds(Onward, st.sampled_from(["none", "originator-consent", "parties"]), st.booleans()),
    retention_days=st.integers(1, 90),
    lanes=_some(get_args(LaneKind)),
)
_REFERENCE = Reference("agreement--11111111-1111-4111-8111-111111111111", 1, "0" * 64)
_GENEROUS = Terms(
    ["indicator", "malware"], "TLP:AMBER", "PAP:RED", ["defence"], Onward("parties"), 90, ["actual", "exercise"]
)
carried = st.builds(
    Carried,
    originator=nations,
    agreement=st.just(_REFERENCE),
    tlp=tlps,
    pap=paps,
    purposes=st.frozensets(purposes, max_size=3),
    onward=st.sampled_from(["none", "originator-consent", "parties"]),
    onward_parties=st.frozensets(nations),
    constituents_tlp=st.none() | tlps,
    delete_after=instants,
    excluded=st.frozensets(nations, max_size=2),
    public_after=st.none() | instants,
    hops=st.integers(1, 3),
    max_hops=st.integers(1, 4),
    permitted_action=st.integers(0, 4),
)


def _agreement(
    parties: Sequence[NationId], signed: Sequence[NationId], the_terms: Terms, **period: datetime
) -> Agreement:
    begins = period.get("begins", INSTANT - timedelta(days=30))
    ends = period.get("ends", INSTANT + timedelta(days=30))
    named = [Party(nation, "0" * 64, {"en": nation}) for nation in parties]
    title: Words = {"en": "Joint defence"}
    document = Document(1, _REFERENCE.id, 1, None, title, named, the_terms, rfc3339(begins), rfc3339(ends))
    return Agreement(document, Envelope("", b"", ()), frozenset(signed), begins, ends)


@st.composite
def agreements(draw: st.DrawFn) -> Agreement:
    """An agreement between all nations that is signed and in force, but for up to two things."""
    wild = draw(st.frozensets(st.sampled_from(["parties", "signed", "period", "terms", "suspended"]), max_size=2))
    parties = draw(st.lists(nations, min_size=2, unique=True)) if "parties" in wild else list(NATIONS)
    signed = draw(st.lists(st.sampled_from(parties), unique=True)) if "signed" in wild else parties
    the_terms = draw(terms) if "terms" in wild else _GENEROUS
    begins = draw(instants) if "period" in wild else INSTANT - timedelta(days=30)
    agreement = _agreement(parties, signed, the_terms, begins=begins)
    return replace(agreement, suspended="suspended" in wild)


_ITEM = Item(
    "indicator--11111111-1111-4111-8111-111111111111",
    rfc3339(INSTANT),
    "indicator",
    "0" * 64,
    Tlp.GREEN,
    Pap.GREEN,
    ACTUAL,
    NATIONS[0],
)
_UNUSUAL = {
    "kind": kinds,
    "tlp": st.none() | tlps,
    "pap": st.none() | paps,
    "lane": lanes,
    "originator": nations,
    "carried": st.lists(carried, min_size=1, max_size=3).map(tuple),
    "named_recipients": st.frozensets(nations),
    "is_withdrawn": st.booleans(),
}


@st.composite
def items(draw: st.DrawFn, *, own: bool = False) -> Item:
    """An object as the gate sees it, ordinary but for up to four things; `own` ones carry nobody else's terms."""
    known = sorted(set(_UNUSUAL) - ({"originator", "carried"} if own else set()))
    wild = draw(st.frozensets(st.sampled_from(known), max_size=4))
    return msgspec.structs.replace(_ITEM, **{name: draw(_UNUSUAL[name]) for name in sorted(wild)})


@st.composite
def requests(draw: st.DrawFn, *, own: bool = False) -> Request:
    """A question to the gate, from plainly allowed to absurd."""
    usual = Request(
        draw(items(own=own)),
        NATIONS[0],
        Recipient("nation", NATIONS[1]),
        True,
        None,
        "defence",
        status_at=INSTANT,
        protocol=1,
    )
    unusual: dict[str, st.SearchStrategy[Any]] = {
        "recipient": nations.map(lambda nation: Recipient("nation", nation))
        | st.sampled_from([Recipient("constituent", "grid"), Recipient("sensor", "dns")]),
        "recipient_trusted": st.booleans(),
        "purpose": purposes,
        "withheld_refs": st.integers(0, 2),
        "vetoed": st.booleans(),
    }
    wild = draw(st.frozensets(st.sampled_from(sorted(unusual)), max_size=2))
    agreement = draw(agreements() | st.none()) if draw(st.booleans()) else _agreement(NATIONS, NATIONS, _GENEROUS)
    return msgspec.structs.replace(usual, agreement=agreement, **{name: draw(unusual[name]) for name in sorted(wild)})


_TLP_NAMES, _PAP_NAMES = get_args(TlpName), get_args(PapName)
_CAMPAIGNS = [f"campaign--00000000-0000-4000-8000-{number:012d}" for number in range(3)]


def _any_of(values: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=3)


whole_terms = st.builds(
    Terms,
    kinds=_some(["indicator", "malware", "report", "note"]),
    tlp_ceiling=st.sampled_from(_TLP_NAMES),
    pap_ceiling=st.sampled_from(_PAP_NAMES),
    purposes=_some(["defence", "warning", "research"]),
    onward=st.builds(Onward, st.sampled_from(["none", "originator-consent", "parties"]), st.booleans()),
    retention_days=st.integers(1, 90),
    lanes=_some(get_args(LaneKind)),
    ceilings=st.lists(
        st.builds(
            Ceiling,
            st.sampled_from(_TLP_NAMES),
            st.none() | nations,
            st.none() | nations,
            st.none() | st.sampled_from(_PAP_NAMES),
        ),
        max_size=2,
    ),
    sectors=_any_of(["energy", "water", "healthcare"]),
    campaigns=_any_of(_CAMPAIGNS),
    min_severity=st.none() | st.sampled_from(get_args(SeverityName)),
    exclusions=_any_of(get_args(ContentClass)),
    recipients=_any_of(NATIONS),
    excluded_recipients=_any_of(NATIONS),
    transforms=st.lists(st.builds(Transform, st.sampled_from(get_args(FieldClass)), st.just("drop")), max_size=2),
    attribution=st.sampled_from(["may", "must-not"]),
    two_person_from=st.none() | st.sampled_from(_TLP_NAMES),
    baseline=st.none() | st.builds(Baseline, st.integers(1, 3)),
    jurisdiction=st.none() | st.builds(Jurisdiction, _any_of(NATIONS)),
)
"""Terms in which everything that the gate prevents may be limited."""


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A text between all nations with roles, and reservations that only narrow, as the reading of a text demands."""
    the_terms = draw(whole_terms)
    roles = draw(
        st.lists(st.sampled_from(["party", "party", "party", "associate", "observer"]), min_size=4, max_size=4)
    )
    named = [Party(nation, "0" * 64, {"en": nation}, role) for nation, role in zip(NATIONS, roles, strict=True)]
    document = Document(
        1, _REFERENCE.id, 1, None, {"en": "Joint defence"}, named, the_terms,
        rfc3339(INSTANT - timedelta(days=30)), rfc3339(INSTANT + timedelta(days=30)),
    )  # fmt: skip
    reserved = draw(st.lists(st.tuples(nations, _narrowings(the_terms)), max_size=2))
    agreed = agreed_terms(document)
    allowed = [
        Reservation(nation, narrows) for nation, narrows in reserved if not narrowed(agreed, narrows).wider_than(agreed)
    ]
    return msgspec.structs.replace(document, reservations=tuple(allowed))


def _narrowings(of: Terms) -> st.SearchStrategy[Narrowing]:
    return st.builds(
        Narrowing,
        kinds=st.none() | _some(of.kinds),
        tlp_ceiling=st.none() | st.sampled_from(_TLP_NAMES),
        pap_ceiling=st.none() | st.sampled_from(_PAP_NAMES),
        purposes=st.none() | _some(of.purposes),
        sectors=st.none() | _some(of.sectors or ["energy", "water"]),
        exclusions=st.none() | _any_of(get_args(ContentClass)).map(lambda more: sorted({*of.exclusions, *more})),
        excluded_recipients=st.none() | _any_of(NATIONS).map(lambda more: sorted({*of.excluded_recipients, *more})),
        two_person_from=st.none() | st.sampled_from(_TLP_NAMES),
    )


def signed(document: Document) -> Agreement:
    """The agreement of a text that all its parties have signed."""
    begins, ends = INSTANT - timedelta(days=30), INSTANT + timedelta(days=30)
    return Agreement(document, Envelope("", b"", ()), frozenset(NATIONS), begins, ends)


def wide_agreement() -> Agreement:
    """An agreement between all nations that limits little."""
    return _agreement(NATIONS, NATIONS, _GENEROUS)
