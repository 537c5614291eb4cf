"""How much an indicator is still worth: MISP's published formula, worked out when somebody looks.

score = base_score x (1 - (t / lifetime) ^ (1 / decay_speed)); t is the time since the indicator was last said or seen.

Source: A. Iklody, G. Wagener, A. Dulaunoy, S. Mokaddem, C. Wagner, "Decaying Indicators of Compromise",
arXiv:1803.11052 (2018), as MISP implements it ("polynomial").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from mithaq.intelligence.comments import Said
from mithaq.intelligence.model import Provenance, StoredObject
from mithaq.intelligence.settings import DECAY_BY_TYPE, DECAY_DEFAULT, DEFAULT_BASE_SCORE, DecayModel
from mithaq.kernel.clock import rfc3339
from mithaq.standards.admiralty import admiralty_of

State = Literal["decays", "expired", "revoked", "not-yet-valid"]


@dataclass(frozen=True, slots=True)
class Score:
    """What an indicator is worth at an instant, from 0 to 100.

    `since`: when it was last said or seen, from which it decays; `ends_at`: when nothing is left of it. `state` says
    whether its own validity overrules the formula.
    """

    value: float
    base: int
    since: datetime
    ends_at: datetime
    model: DecayModel
    state: State

    def as_json(self) -> dict[str, Any]:
        """Return the score as JSON values, for `--json` and the API."""
        return {
            "score": round(self.value, 1),
            "base_score": self.base,
            "state": self.state,
            "since": rfc3339(self.since),
            "ends": rfc3339(self.ends_at),
            "lifetime_days": self.model.lifetime_days,
            "decay_speed": self.model.decay_speed,
        }


def polynomial(base: float, t: timedelta, model: DecayModel) -> float:
    """Return what is left of a base score after a time.

    >>> polynomial(80, timedelta(days=30), DecayModel(lifetime_days=120, decay_speed=2))
    40.0
    """
    part = t / timedelta(days=model.lifetime_days)
    if part <= 0:
        return float(base)
    if part >= 1:
        return 0.0
    return float(base * (1 - part ** (1 / model.decay_speed)))


def score_of(stored: StoredObject, said: Iterable[Said], at: datetime) -> Score | None:
    """Return what an indicator is worth at an instant, None for any other object; `said`: what was said of it.

    What is revoked, over (`valid_until`) or not yet valid is worth nothing, whatever the formula says.
    """
    stix = stored.stix
    if stix.type != "indicator":
        return None
    model, base, since = _model(stored), base_score(stored), _since(stored, said, at)
    ends_at = since + timedelta(days=model.lifetime_days)
    if stix.valid_until is not None:
        ends_at = min(ends_at, stix.valid_until)
    state: State = "decays"
    if stix.revoked:
        state = "revoked"
    elif stix.valid_until is not None and at >= stix.valid_until:
        state = "expired"
    elif stix.valid_from is not None and at < stix.valid_from:
        state = "not-yet-valid"
    value = polynomial(base, at - since, model) if state == "decays" else 0.0
    return Score(value, base, since, ends_at, model, state)


def base_score(stored: StoredObject) -> int:
    """Return what an indicator is worth while it is fresh, from 0 to 100.

    It is the mean of what is stated: how reliable the source is, how credible the information, and the `confidence` of
    the object. Of several nations' words the best rated counts; where nothing is stated, `DEFAULT_BASE_SCORE`.
    """
    standing = [word for word in stored.provenance if word.standing == "stands"] or list(stored.provenance)
    found = [score for score in (_rated(stored, word) for word in standing) if score is not None]
    return max(found, default=DEFAULT_BASE_SCORE)


def _rated(stored: StoredObject, word: Provenance) -> int | None:
    rating = word.admiralty or admiralty_of(stored.stix.labels)
    confidence = rating.confidence if rating is not None else None
    stated = [rating.weight if rating is not None else None, confidence, stored.stix.confidence]
    numbers = [number for number in stated if number is not None]
    return round(sum(numbers) / len(numbers)) if numbers else None


def _model(stored: StoredObject) -> DecayModel:
    """Return the model of the longest-lived observable that an indicator names."""
    found = [DECAY_BY_TYPE[each.type] for each in stored.stix.mentions if each.type in DECAY_BY_TYPE]
    return max(found, key=lambda model: model.lifetime_days, default=DECAY_DEFAULT)


def _since(stored: StoredObject, said: Iterable[Said], at: datetime) -> datetime:
    """Return when it was last said or seen; nobody can say so of an instant after it came in."""
    stix = stored.stix
    instants = [min(stix.modified or stix.created or stored.stored_at, stored.stored_at)]
    if stix.valid_from is not None and stix.valid_from <= at:
        instants.append(min(stix.valid_from, stored.stored_at))
    for each in said:
        if each.stored.stix.type == "sighting" and each.comment.count != 0:
            claimed = each.comment.last_seen or each.stored.stix.modified or each.stored.stored_at
            instants.append(min(claimed, each.stored.stored_at))
    return min(max(instants), at)
