"""Pure decisions of detection: what is looked for, and what a person may write about a hit."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from mithaq.detection.errors import UnusablePeriod, UnusableReason
from mithaq.detection.model import Dismissal, Hit
from mithaq.detection.settings import MAX_EXPECTED_DAYS, MAX_REASON_CHARS
from mithaq.intelligence.model import Provenance, StoredObject
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.reason import Reason
from mithaq.release.model import PERMITTED_ACTIONS
from mithaq.standards.defang import refang_value
from mithaq.standards.observable import Observable
from mithaq.standards.registries import is_registry_suffix

_NEEDED_ACTION: Final = PERMITTED_ACTIONS.index("internally-visible-actions")


def check_reason(hit: Hit, why: Dismissal, reason: str) -> None:
    """Refuse a reason that cannot go with an opinion: it is an own word, and outlives the indicator and the event.

    Raises:
        UnusableReason: a false positive without a reason, or one that quotes the value or is too long.
    """
    if len(reason) > MAX_REASON_CHARS:
        raise UnusableReason("a reason has at most %(limit)s characters", limit=MAX_REASON_CHARS)
    if why is not Dismissal.FALSE_POSITIVE:
        return
    if not reason:
        raise UnusableReason("say why it is a false positive: the originator decides by it")
    written = refang_value(reason).casefold()
    sights = (hit.sight, *(each.sight for each in hit.companions))
    if any(value.casefold() in written for sight in sights for value in sight.values if value):
        raise UnusableReason("leave the value out of the reason: the reason stays when the indicator is deleted")


def check_days(why: Dismissal, days: int, at: datetime) -> datetime | None:
    """Return until when further hits are expected; None where none are.

    Raises:
        UnusablePeriod: days for a false positive, or fewer than none, or more than `MAX_EXPECTED_DAYS`.
    """
    if not days:
        return None
    if why is not Dismissal.BENIGN:
        raise UnusablePeriod("only what is benign can be expected for days: a false positive lowers the indicator")
    if not 0 < days <= MAX_EXPECTED_DAYS:
        raise UnusablePeriod("hits can be expected for 1 to %(limit)s days", limit=MAX_EXPECTED_DAYS)
    return at + timedelta(days=days)


def is_sought(observable: Observable) -> bool:
    """Tell whether an observable is looked for at all: a name under which everybody registers hits every line."""
    return not is_registry_suffix(observable)


def permits_detection(word: Provenance) -> bool:
    """Tell whether the terms under which a nation gave its word let this node look for it in its own telemetry.

    That is an action which is visible inside alone: IEP 2.0 permits it from `internally-visible-actions` on. PAP
    permits it under every label, PAP:RED too: nobody outside sees that a log is read. Terms that say nothing permit
    it; an action that is not understood does not.
    """
    action = word.carried.get("permitted_actions")
    return action is None or (action in PERMITTED_ACTIONS and PERMITTED_ACTIONS.index(action) >= _NEEDED_ACTION)


def against_detection(stored: StoredObject, at: datetime) -> tuple[Reason, ...]:
    """Return everything for which a version of an object is not looked for at this instant; empty where it is."""
    return tuple(_against(stored, at))


def _against(stored: StoredObject, at: datetime) -> Iterator[Reason]:
    stix = stored.stix
    if stix.type != "indicator":
        yield Reason("not-an-indicator", "only indicators are looked for, not a %(kind)s", {"kind": stix.type})
        return
    if stored.made_for is not None:
        yield Reason("protected-version", "it was made for a partner; here its original is looked for")
    if not stored.stands:
        yield Reason("withdrawn", "whoever spoke of it has taken it back")
    if stix.revoked:
        yield Reason("revoked", "its author has revoked it")
    if stix.valid_until is not None and stix.valid_until <= at:
        yield Reason("expired", "it expired at %(until)s", {"until": rfc3339(stix.valid_until)})
    if stix.valid_from is not None and stix.valid_from > at:
        yield Reason("not-yet-valid", "it is valid from %(from)s on", {"from": rfc3339(stix.valid_from)})
    if not (stix.observables or stix.anchors) and stix.pattern_type == "stix":
        yield Reason("no-observable", "its pattern names no value that alone would make it true")
    for suffix in (each for each in stix.observables if not is_sought(each)):
        sentence = "%(value)s is a public suffix, below which strangers have their domains"
        remedy = "name the domains that are meant"
        yield Reason("public-suffix", sentence, {"value": suffix.value}, remedy)
    standing = [word for word in stored.provenance if word.standing == "stands"]
    if standing and not any(map(permits_detection, standing)):
        yield from map(_forbidden, standing)


def _forbidden(word: Provenance) -> Reason:
    sentence = "the terms under which %(nation)s gave it permit no detection, but at most: %(action)s"
    params: dict[str, str | int] = {"nation": word.nation, "action": str(word.carried.get("permitted_actions"))[:80]}
    return Reason("action-not-permitted", sentence, params, "ask the nation that gave it what may be done with it")
