"""One sentence for each of the effective terms of a direction: the values that the gate compares."""

from collections.abc import Callable
from typing import Any, Final

from mithaq.agreements.effective import ABOVE_RED, ACTIONS, WIDEST_ACTION, Effective
from mithaq.agreements.term_rules import TERMS
from mithaq.node.agreements_in_words import vocabulary as known
from mithaq.node.agreements_in_words.voice import Voice
from mithaq.node.language import msgid
from mithaq.standards.severity import Severity
from mithaq.standards.tlp import Tlp

_SENTENCES: Final = {rule.name: rule.sentence for rule in TERMS}
_ACTION_OF: Final = {rank: name for name, rank in ACTIONS.items()}
_NO_LIMIT: Final = {
    "sectors": msgid("Objects of every sector are shared."),
    "campaigns": msgid("Objects of every campaign are shared."),
    "recipients": msgid("No nation has to be named to receive objects."),
    "stored_in": msgid("Objects may be stored and processed anywhere."),
    "public_after_days": msgid("No object becomes free for everybody by the passing of time."),
}
_NOTHING_IN_IT: Final = {
    "kinds": msgid("No kind of object is shared."),
    "purposes": msgid("No purpose is allowed."),
    "lanes": msgid("No lane may be used."),
    "sectors": msgid("Objects of no sector are shared."),
    "campaigns": msgid("Objects of no campaign are shared."),
    "exclusions": msgid("No class of content is excluded."),
    "recipients": msgid("No nation receives objects."),
    "excluded_recipients": msgid("No nation is excluded from receiving objects."),
    "protected": msgid("No field has to be protected before an object leaves."),
    "stored_in": msgid("Objects may be stored and processed nowhere."),
    "onward_parties": msgid("An object is passed on to no other nation on the strength of the agreement alone."),
}


def effective_sentence(voice: Voice, terms: Effective, name: str) -> str:
    """Say one of the effective terms as a whole sentence."""
    value = getattr(terms, name)
    if value is None and name in _NO_LIMIT:
        return voice.say(_NO_LIMIT[name])
    if name in _NOTHING_IN_IT and not value:
        return voice.say(_NOTHING_IN_IT[name])
    return SPEAKERS[name](voice, value)


def _ruled(name: str, shown: Callable[[Voice, Any], str]) -> Callable[[Voice, Any], str]:
    """Return a speaker that fills the term's own sentence."""
    return lambda voice, value: voice.say(_SENTENCES[name], value=shown(voice, value))


def _label(voice: Voice, value: Any) -> str:
    del voice
    return str(value.label)


def _severity(voice: Voice, value: Severity) -> str:
    if value is Severity.UNSTATED:
        return voice.say("Objects of any severity are shared, also where none is stated.")
    return voice.say(_SENTENCES["min_severity"], value=voice.word(known.SEVERITIES, value.name.lower()))


def _action(voice: Voice, value: int) -> str:
    if value == WIDEST_ACTION:
        return voice.say("A recipient may take any action.")
    return voice.say(_SENTENCES["permitted_actions"], value=voice.word(known.ACTIONS, _ACTION_OF[value]))


def _two_person(voice: Voice, value: int) -> str:
    if value >= ABOVE_RED:
        return voice.say("One person alone may release an object, whatever its label.")
    return voice.say(_SENTENCES["two_person_from"], value=Tlp(value).label)


def _witnesses(voice: Voice, value: int) -> str:
    if not value:
        return voice.say("An object leaves without other nations having witnessed the release log.")
    return voice.say(
        "The number of other nations that must have witnessed the release log before an object labelled "
        "TLP:AMBER or stricter leaves is %(count)s.",
        count=value,
    )


def _retention(voice: Voice, value: int) -> str:
    return voice.say("The recipient deletes an object %(time)s after it was released.", time=voice.days(value))


def _protected(voice: Voice, value: frozenset[str]) -> str:
    return voice.say(
        "Before an object leaves, these are protected: %(fields)s.", fields=voice.each(known.FIELDS, value)
    )


def _stored(voice: Voice, value: frozenset[str]) -> str:
    return voice.say("Objects are stored and processed only in: %(nations)s.", nations=voice.listed(value))


def _onward(voice: Voice, value: frozenset[str]) -> str:
    return voice.say(
        "An object may be passed on to these nations and to no other: %(nations)s.", nations=voice.listed(value)
    )


def _consent(voice: Voice, value: bool) -> str:
    if value:
        return voice.say("An object is passed on to another nation only where the nation it comes from consents.")
    return voice.say("The originator’s consent opens no further passing on.")


def _constituents(voice: Voice, value: Tlp | None) -> str:
    if value is None:
        return voice.say("Inside a nation, an object is not passed on to constituents.")
    return voice.say(
        "Inside a nation, an object labelled up to %(label)s may be passed on to constituents.", label=value.label
    )


def _hops(voice: Voice, value: int) -> str:
    return voice.say(
        "The number of nations through whose hands an object goes, its originator among them, is at most %(count)s.",
        count=value,
    )


def _public(voice: Voice, value: int) -> str:
    return voice.say("%(time)s after its release, an object may be passed on to everybody.", time=voice.days(value))


SPEAKERS: Final[dict[str, Callable[[Voice, Any], str]]] = {
    "kinds": _ruled("kinds", lambda voice, value: voice.each(known.KINDS, value)),
    "tlp_ceiling": _ruled("tlp_ceiling", _label),
    "pap_ceiling": _ruled("pap_ceiling", _label),
    "purposes": _ruled("purposes", lambda voice, value: voice.each(known.PURPOSES, value)),
    "lanes": _ruled("lanes", lambda voice, value: voice.each(known.LANES, value)),
    "sectors": _ruled("sectors", lambda voice, value: voice.each(known.SECTORS, value)),
    "campaigns": _ruled("campaigns", lambda voice, value: voice.listed(value)),
    "min_severity": _severity,
    "exclusions": _ruled("exclusions", lambda voice, value: voice.each(known.CONTENTS, value)),
    "recipients": _ruled("recipients", lambda voice, value: voice.listed(value)),
    "excluded_recipients": _ruled("excluded_recipients", lambda voice, value: voice.listed(value)),
    "permitted_action": _action,
    "two_person_from": _two_person,
    "witnesses": _witnesses,
    "retention_days": _retention,
    "protected": _protected,
    "stored_in": _stored,
    "onward_parties": _onward,
    "onward_consent": _consent,
    "constituents_tlp": _constituents,
    "max_hops": _hops,
    "public_after_days": _public,
}
"""How each effective term is said where it limits something."""
