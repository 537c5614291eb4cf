"""Whether an object may leave, told a second time: by hand, in another style, without the clauses."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from typing import Any

import msgspec

from mithaq.release.facts import Facts
from mithaq.standards.pap import Pap
from mithaq.standards.severity import Severity
from mithaq.standards.tlp import Tlp


def may_leave(f: Facts) -> bool:
    """Ask, as a careful officer would: is there an agreement, are both in it, may this object, who else has a say?"""
    if not (f.agreement_known and f.agreement_signed) or f.agreement_suspended:
        return False
    if f.at < f.not_before or f.at >= f.not_after or f.at >= f.leaves_at:
        return False
    both = {f.holder, f.recipient}
    if len(both) == 1 or both - f.parties or both & (f.unsigned | f.suspended_parties):
        return False
    if f.holder in f.only_receivers or f.recipient in f.observers or f.recipient in f.excluded_recipients:
        return False
    if not f.any_recipient and f.recipient not in f.recipients:
        return False
    if not f.any_jurisdiction and (not f.stored_in or f.stored_in - f.jurisdictions):
        return False
    if not f.recipient_trusted or f.protocol < f.protocol_needed or (f.tlp >= 2 and f.at >= f.status_until):
        return False
    if f.kind not in f.kinds or f.purpose not in f.purposes or f.lane_kind not in f.lanes:
        return False
    if not f.any_sector and (not f.sectors or f.sectors - f.scope_sectors):
        return False
    if not f.any_campaign and not f.campaigns & f.scope_campaigns:
        return False
    if f.severity < f.min_severity or f.content & f.exclusions or f.exposes & f.protected:
        return False
    if not f.labelled or f.tlp > f.tlp_ceiling or f.pap > f.pap_ceiling or f.tlp < f.carried_tlp:
        return False
    if (f.tlp == 4 and f.recipient not in f.named_recipients) or (f.tlp >= f.two_person_from and f.approvals < 2):
        return False
    if f.originator != f.holder and not (f.onward_allowed and f.purpose in f.carried_purposes):
        return False
    return f.hops < f.max_hops and f.at < f.delete_after and not (f.withdrawn or f.withheld_refs or f.vetoed)


_NOON, _DAY = datetime(2026, 11, 23, 12, tzinfo=UTC), timedelta(days=1)
_US, _THEM, _THIRD = "XA", "XB", "XC"


def _set(*members: str) -> frozenset[str]:
    return frozenset(members)


FIELDS: Mapping[str, Sequence[Any]] = {
    "agreement_known": (True, False),
    "agreement_signed": (True, False),
    "agreement_suspended": (False, True),
    "at": (_NOON, _NOON - 9 * _DAY, _NOON - 8 * _DAY, _NOON + 9 * _DAY, _NOON + 8 * _DAY),
    "not_before": (_NOON - 9 * _DAY, _NOON, _NOON + _DAY),
    "not_after": (_NOON + 9 * _DAY, _NOON, _NOON - _DAY),
    "leaves_at": (_NOON + 99 * _DAY, _NOON, _NOON - _DAY),
    "holder": (_US, _THEM, _THIRD),
    "recipient": (_THEM, _US, _THIRD),
    "parties": (_set(_US, _THEM), _set(_US), _set(_THEM), _set(_US, _THEM, _THIRD)),
    "unsigned": (_set(), _set(_US), _set(_THEM)),
    "suspended_parties": (_set(), _set(_US), _set(_THEM)),
    "only_receivers": (_set(), _set(_US), _set(_THEM)),
    "observers": (_set(), _set(_US), _set(_THEM)),
    "any_recipient": (True, False),
    "recipients": (_set(), _set(_THEM), _set(_US)),
    "excluded_recipients": (_set(), _set(_US), _set(_THEM)),
    "any_jurisdiction": (True, False),
    "jurisdictions": (_set(), _set(_THEM), _set(_THEM, _THIRD)),
    "stored_in": (_set(_THEM), _set(), _set(_THEM, _THIRD)),
    "recipient_trusted": (True, False),
    "status_until": (_NOON + _DAY, _NOON, _NOON - _DAY),
    "protocol": (1, 0, 2),
    "protocol_needed": (0, 1, 2),
    "kind": ("indicator", "malware"),
    "kinds": (_set("indicator"), _set(), _set("indicator", "malware")),
    "purpose": ("defence", "warning"),
    "purposes": (_set("defence"), _set(), _set("defence", "warning")),
    "lane_kind": ("actual", "exercise"),
    "lanes": (_set("actual"), _set(), _set("actual", "exercise")),
    "any_sector": (True, False),
    "sectors": (_set("energy"), _set(), _set("energy", "water")),
    "scope_sectors": (_set(), _set("energy"), _set("energy", "water")),
    "any_campaign": (True, False),
    "campaigns": (_set("campaign--1"), _set(), _set("campaign--1", "campaign--2")),
    "scope_campaigns": (_set(), _set("campaign--1"), _set("campaign--2")),
    "severity": (Severity.MEDIUM, Severity.UNSTATED, Severity.HIGH),
    "min_severity": (Severity.UNSTATED, Severity.MEDIUM, Severity.HIGH),
    "content": (_set(), _set("classified"), _set("classified", "personal-data")),
    "exclusions": (_set(), _set("classified"), _set("personal-data")),
    "exposes": (_set("free-text"), _set(), _set("free-text", "victim-identity")),
    "protected": (_set(), _set("victim-identity"), _set("free-text")),
    "labelled": (True, False),
    "tlp": (Tlp.GREEN, Tlp.CLEAR, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED),
    "tlp_ceiling": (Tlp.AMBER, Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER_STRICT, Tlp.RED),
    "pap": (Pap.GREEN, Pap.CLEAR, Pap.AMBER, Pap.RED),
    "pap_ceiling": (Pap.AMBER, Pap.CLEAR, Pap.GREEN, Pap.RED),
    "named_recipients": (_set(), _set(_THEM), _set(_US)),
    "two_person_from": (5, 1, 2),
    "approvals": (1, 2, 3),
    "originator": (_US, _THIRD),
    "onward_allowed": (False, True),
    "hops": (0, 1, 2),
    "max_hops": (1, 2, 0),
    "carried_tlp": (Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER),
    "carried_purposes": (_set(), _set("defence"), _set("warning")),
    "delete_after": (_NOON + 90 * _DAY, _NOON, _NOON - _DAY),
    "withdrawn": (False, True),
    "withheld_refs": (0, 1, 2),
    "vetoed": (False, True),
}
"""Every fact that a clause between nations looks at, with values that tell clauses apart; the first may leave."""

GOOD = Facts(
    **{name: values[0] for name, values in FIELDS.items()},
    status_max_age=_DAY, local_allowed=False, local_ceiling=Tlp.AMBER, action=0, permitted_action=4,
)  # fmt: skip
"""A state that may leave."""


def around(many: int, of: Mapping[str, Sequence[Any]] = FIELDS) -> Iterator[Facts]:
    """Yield every state that differs from the good one in exactly so many facts."""
    for names in combinations(of, many):
        for values in product(*(of[name][1:] for name in names)):
            yield msgspec.structs.replace(GOOD, **dict(zip(names, values, strict=True)))


def whole_product(names: Sequence[str]) -> Iterator[Facts]:
    """Yield every state in which these facts have any of their values and the others are good."""
    for values in product(*(FIELDS[name] for name in names)):
        yield msgspec.structs.replace(GOOD, **dict(zip(names, values, strict=True)))


def may_be_used(f: Facts) -> bool:
    """Ask the same for a constituent or a sensor of this nation."""
    if f.lane_kind != "actual" or not f.labelled or f.withdrawn or f.vetoed or f.withheld_refs > 0:
        return False
    unnoticed = {0: Pap.RED, 1: Pap.AMBER, 2: Pap.AMBER}  # nothing is done, or nothing that shows outside
    if f.tlp > f.local_ceiling or f.tlp < f.carried_tlp or f.pap > unnoticed.get(f.action, Pap.GREEN):
        return False
    if f.action > f.permitted_action or f.at >= f.delete_after:
        return False
    if f.originator == f.holder:
        return True
    return f.purpose in f.carried_purposes and (f.local_allowed or f.originator == f.recipient)


LOCAL_FIELDS: Mapping[str, Sequence[Any]] = {
    **{name: FIELDS[name] for name in ("at", "holder", "purpose", "lane_kind", "labelled", "tlp", "pap",
                                       "carried_tlp", "carried_purposes", "delete_after", "withdrawn", "withheld_refs",
                                       "vetoed")},
    "originator": (_US, _THIRD, _THEM),
    "recipient": FIELDS["recipient"],
    "local_allowed": (False, True),
    "local_ceiling": (Tlp.AMBER, Tlp.CLEAR, Tlp.GREEN, Tlp.RED),
    "action": (0, 1, 2, 3, 5),
    "permitted_action": (4, 0, 1, 2),
}  # fmt: skip
"""The same for the clauses inside the nation."""
