"""What of a reason may outlive the object it is about: codes, sentences, words of the field, never a piece of a value.

A receipt and what its taker keeps of it stay when the object is deleted. Whoever judged the object may quote it: a type
that is none, a time that cannot be read. So a text among the parameters stays only where it is a word of a closed list,
the name of a STIX property, an id, a nation or a time; any other is left out of what is signed and of what is kept.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, get_args

from mithaq.agreements import vocabulary as known
from mithaq.exchange.receipt import Receipt, read_receipt
from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason
from mithaq.kernel.signing import read_envelope
from mithaq.release.clauses import LOCAL_CLAUSES, NATION_CLAUSES
from mithaq.release.fields import ACCOUNT, PLACE, PLAIN, TEXT, VOCABULARY
from mithaq.standards.defang import extract

LEFT_OUT: Final = "…"
"""Stands where a piece of a value was left out."""

_LISTS: Final = (
    known.TlpName, known.PapName, known.Purpose, known.ObjectKind, known.LaneKind, known.Sector, known.SeverityName,
    known.ContentClass, known.PermittedAction, known.FieldClass, known.Operation, known.PartyRole, known.Licence,
)  # fmt: skip
_JSON_KINDS: Final = frozenset(f'"{name}"' for name in ("str", "int", "float", "bool", "list", "dict")) | {"null"}
_WORDS: Final = (
    frozenset(word for each in _LISTS for word in get_args(each))
    | {clause.id for clause in (*NATION_CLAUSES, *LOCAL_CLAUSES)}
    | (PLAIN | VOCABULARY | TEXT | PLACE | ACCOUNT | _JSON_KINDS)
)
_ID: Final = r"[a-z][a-z0-9-]{0,60}--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_INSTANT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)"
_PLAIN: Final = re.compile(rf"{_ID}|{_INSTANT}|[A-Z]{{2}}|\d{{1,9}}|-")
_CODE: Final = re.compile(r"[a-z][a-z0-9-]{0,60}")
_NAME: Final = re.compile(rf"{_ID}|object \d{{1,9}}")
_MAX_SENTENCE: Final = 500


def kept(reason: Reason) -> Reason:
    """Return a reason as it may be kept.

    >>> kept(Reason("bad-object", "%(key)s is no time: %(found)s", {"key": "created", "found": "evil.example"})).params
    {'key': 'created', 'found': '…'}
    """
    params = {name: _param(value) for name, value in reason.params.items() if _CODE.fullmatch(name.replace("_", "-"))}
    code = reason.code if _CODE.fullmatch(reason.code) else LEFT_OUT
    return Reason(code, _sentence(reason.message, params), params, _sentence(reason.remedy, params))


def kept_json(refused: Iterable[Any]) -> list[dict[str, Any]]:
    """Return refusals as they may be kept, each an object's name with its reasons, from JSON to JSON."""
    return [
        {
            "object": _name(str(each["object"])),
            "reasons": [kept(Reason.of_json(reason)).as_json() for reason in each["reasons"]],
        }
        for each in refused
    ]


def kept_of(refused: Sequence[tuple[str, tuple[Reason, ...]]]) -> tuple[tuple[str, tuple[Reason, ...]], ...]:
    """Return a receipt's refusals as they may be kept."""
    return tuple((_name(name), tuple(map(kept, reasons))) for name, reasons in refused)


def may_stay(envelope: bytes) -> bool:
    """Tell whether a kept receipt quotes nothing; one that cannot be read may not stay."""
    try:
        receipt: Receipt = read_receipt(read_envelope(envelope, subject="receipt").payload)
    except Error:
        return False
    return kept_of(receipt.refused) == receipt.refused


def _param(value: str | int) -> str | int:
    if isinstance(value, int):
        return value
    text = str(value)
    return text if all(word in _WORDS or _PLAIN.fullmatch(word) for word in text.split(", ")) else LEFT_OUT


def _sentence(text: str, params: dict[str, str | int]) -> str:
    """Return a sentence that names no value and can be filled in; the other side may write what it likes."""
    if len(text) > _MAX_SENTENCE or extract(text):
        return LEFT_OUT
    try:
        text % params
    except (KeyError, TypeError, ValueError):
        return LEFT_OUT
    return text


def _name(name: str) -> str:
    return name if _NAME.fullmatch(name) else LEFT_OUT
