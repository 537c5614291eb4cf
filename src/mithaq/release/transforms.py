"""Make the version of an own object that may leave under an agreement: drop, generalise, pseudonymise, truncate.

What comes of it is a new object under this nation's name: its id is derived from the original's and a secret of the
agreement, so that updates keep their identity with the partner, and nobody can tell two agreements' versions are of one
object. Labels are kept. What cannot be done without breaking the object is refused with a reason, and nothing leaves.
"""

import base64
import hashlib
import hmac
import re
import uuid
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from mithaq.agreements.vocabulary import FieldClass, Operation
from mithaq.kernel import canonical
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.release.exposure import (
    MAX_TRUNCATED_CHARS,
    Finding,
    Path,
    Policy,
    exposed,
    findings,
    generic_name,
)
from mithaq.release.fields import FIXED, REQUIRED, VOCABULARY, is_own
from mithaq.release.model import Item
from mithaq.release.values import MIN_NAME_CHARS, PSEUDONYM_DOMAIN, coarse_network, internal_network
from mithaq.standards import stix
from mithaq.standards.observable import canonical_observable
from mithaq.standards.pap import pap_of
from mithaq.standards.tlp import tlp_of

SECRET_BYTES: Final = 32
REMOVED: Final = "[removed]"
_GONE: Final = object()
_PASSES: Final = 6
_MAX_FINDINGS: Final = 20_000
_STRENGTH: Final[tuple[Operation, ...]] = ("drop", "pseudonymise", "generalise", "truncate")
_BROKEN: Final = Reason("protect-broken", "the protected version would be no STIX object")
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*+'")
_KIND_OF: Final = {"email": "[e-mail address]", "phone": "[telephone number]", "account": "[account]"}
_VALUE_TYPES: Final = {
    "ipv4-addr": "ipv4", "ipv6-addr": "ipv6", "domain-name": "domain", "url": "url", "email-addr": "email",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Protected:
    """A version that may leave."""

    id: str
    body: bytes
    stix: stix.StixObject


class _Impossible(Exception):
    """The object would be broken, or would still show what is protected."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.reason = reason


def against_protecting(item: Item, own: NationId) -> Reason | None:
    """Return why no version of an object may be made: a foreign one is its originator's, whose terms permit none."""
    if item.originator == own:
        return None
    return Reason(
        "protect-foreign",
        "%(originator)s, the originator, does not permit a changed version",
        {"originator": item.originator},
        "ask the originator for a protected version",
    )


def derived_id(stix_id: str, policy: Policy, secret: bytes) -> str:
    """Return the id of an object's protected version: a UUID of version 8 made from the original's id.

    Another secret, or another agreed treatment, gives an id that cannot be linked to it (HMAC-SHA256).
    """
    kind = stix_id.partition("--")[0]
    treatment = ",".join(f"{fields}={done}" for fields, done in sorted(policy.operations.items()))
    digest = bytearray(_keyed(secret, "id", f"{treatment}\0{stix_id}")[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return f"{kind}--{uuid.UUID(bytes=bytes(digest))}"


def pseudonym(text: str, secret: bytes) -> str:
    """Return the name that stands for a value under one agreement, the same each time and in any case."""
    return f"pseudonym-{_tag(text, secret)}"


def protect(body: bytes, policy: Policy, secret: bytes, renamed: Mapping[str, str]) -> Protected | Reason:
    """Return the version of an object that shows nothing of what a policy protects, or why there is none.

    `renamed` gives the new ids of objects that this one refers to and that have protected versions themselves. An
    object that shows nothing and refers to none of them is returned as it is.

    Raises:
        BadObject: the bytes are no STIX object.
        ValueError: the secret is too short to protect anything.
    """
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"a secret of {len(secret)} bytes")
    original = stix.fields_of(body)
    if not exposed(original, policy) & policy.operations.keys() and not _refers(original, renamed):
        return Protected(str(original.get("id")), body, stix.parse(body))
    work = _Work(original, policy, secret, renamed)
    try:
        work.run()
        return _checked(body, work)
    except _Impossible as impossible:
        return impossible.reason


def _checked(body: bytes, work: "_Work") -> Protected:
    """Validate again: it can be read, keeps its label and its pattern, and shows nothing that is protected."""
    before = stix.parse(body)
    try:
        made = canonical.dumps(work.fields)
        after = stix.parse(made)
    except (Error, ValueError) as error:  # a number or a text that canonical JSON cannot hold, too
        raise _Impossible(_BROKEN) from error
    still = exposed(work.fields, work.policy) & work.policy.operations.keys()
    if still:
        raise _Impossible(
            Reason(
                "protect-incomplete",
                "the protected version would still show %(fields)s",
                {"fields": ", ".join(sorted(still))},
                "take it out of the object by hand",
            )
        )
    labels = tlp_of(after.object_marking_refs), pap_of(after.labels), after.pattern
    if labels != (tlp_of(before.object_marking_refs), pap_of(before.labels), before.pattern):
        raise _Impossible(_BROKEN)
    return Protected(after.id, made, after)


class _Work:
    """One object on its way to its protected version."""

    def __init__(self, original: Mapping[str, Any], policy: Policy, secret: bytes, renamed: Mapping[str, str]) -> None:
        self.original = original
        self.policy = policy
        self.fields: dict[str, Any] = deepcopy(dict(original))
        self._secret = secret
        self._renamed = renamed
        self._everywhere: set[str] = set()

    def run(self) -> None:
        for _ in range(_PASSES):
            found = [each for each in findings(self.fields, self.policy) if each.fields in self.policy.operations]
            if not found:
                break
            if len(found) > _MAX_FINDINGS:
                raise _Impossible(Reason("protect-too-much", "the object shows too much for a protected version"))
            found.sort(key=lambda each: tuple(map(str, each.path)))
            for _, alike in groupby(found, key=lambda each: each.path):
                self._treat(list(alike))
            self.fields = _pruned(self.fields)
        self._scrub()
        self._mend_markings()
        self._hold_required()
        self._rename()

    def _treat(self, found: list[Finding]) -> None:
        """Do to one value what the strongest operation asks, or to each of its parts what is agreed for it."""
        path = found[0].path
        before = _at(self.fields, path)
        if before is _GONE:
            return
        if path[0] in FIXED and found[0].kind != "ref":
            raise self._fixed(path, found[0].fields)
        whole = [each for each in found if each.start < 0]
        if whole:
            strongest = min(whole, key=lambda each: _STRENGTH.index(self.policy.operations[each.fields]))
            after = self._whole(strongest, before)
        else:
            after = self._parts(found, str(before))
        if path == ("value",) and after is not _GONE and not self._is_value(after):
            raise self._fixed(path, found[0].fields)
        if after != before:
            _put(self.fields, path, after)
        self._note(found, before)

    def _note(self, found: list[Finding], before: Any) -> None:
        """Remember what is gone; a name or an address must not be left anywhere, a text only loses its place."""
        for each in found:
            if each.kind != "ref" and each.fields != "free-text":
                texts = {each.text} if each.text else set(_strings(before))
                self._everywhere |= {text for text in texts if len(text) >= MIN_NAME_CHARS and not text.isdigit()}

    def _whole(self, each: Finding, before: Any) -> Any:
        done = self.policy.operations[each.fields]
        if each.kind == "ref":
            return derived_id(before, self.policy, self._secret) if done in ("pseudonymise", "generalise") else _GONE
        if each.kind != "text" or done == "drop":
            return _GONE
        if done == "pseudonymise":
            is_address = self.fields.get("type") == "email-addr" and each.path == ("value",)
            return self._mail(before) if is_address else pseudonym(before, self._secret)
        if done == "truncate":
            return _truncated(before)
        return generic_name(self.fields) if each.path == ("name",) else _GONE

    def _parts(self, found: Iterable[Finding], text: str) -> str:
        taken = len(text)
        for each in sorted(found, key=lambda each: (-each.start, -len(each.text))):
            end = min(each.start + len(each.text), taken)
            if end > each.start:
                text = text[: each.start] + self._part(each) + text[end:]
            taken = each.start
        return text

    def _part(self, each: Finding) -> str:
        done = self.policy.operations[each.fields]
        if done == "pseudonymise":
            match each.kind:
                case "email":
                    return self._mail(each.text)
                case "host":
                    return f"{_tag(each.text, self._secret)}.{PSEUDONYM_DOMAIN}"
                case _:
                    return pseudonym(each.text, self._secret)
        if done == "drop":
            return REMOVED
        if each.kind == "host":
            return f"host.{each.text.rpartition('.')[2].lower()}" if "." in each.text else REMOVED
        network = internal_network(each.text) if each.kind == "address" else None
        return coarse_network(network) if network is not None else _KIND_OF.get(each.kind, REMOVED)

    def _mail(self, address: str) -> str:
        return f"{_tag(address, self._secret)}@{PSEUDONYM_DOMAIN}"

    def _is_value(self, after: Any) -> bool:
        kind = _VALUE_TYPES.get(str(self.fields.get("type")))
        return kind is not None and isinstance(after, str) and canonical_observable(kind, after) is not None

    def _scrub(self) -> None:
        """Take what is gone out of every other text too: a victim's name also stands in the description."""
        if not self._everywhere:
            return
        long_first = sorted(self._everywhere, key=lambda text: (-len(text), text))
        gone = re.compile("|".join(map(re.escape, long_first)), re.IGNORECASE)
        if any(gone.search(quoted) for quoted in _QUOTED.findall(str(self.fields.get("pattern", "")))):
            raise self._fixed(("pattern",), min(self.policy.operations))
        self.fields = {key: value if key in FIXED else _without(value, gone, key) for key, value in self.fields.items()}

    def _mend_markings(self) -> None:
        """Let a granular marking speak only of what is still there (STIX 2.1 §7.2.3)."""
        markings = self.fields.get("granular_markings")
        if not isinstance(markings, list):
            return
        kept = []
        for each in markings:
            chosen = each.get("selectors") if isinstance(each, dict) else None
            if isinstance(chosen, list):
                left = [name for name in chosen if str(name).partition(".")[0] in self.fields]
                kept += [{**each, "selectors": left}] if left else []
        self.fields.pop("granular_markings")
        if kept:
            self.fields["granular_markings"] = kept

    def _hold_required(self) -> None:
        kind = str(self.fields.get("type"))
        needed = REQUIRED.get(kind)
        gone = sorted(self.original.keys() - self.fields.keys())
        missing = gone if needed is None else [name for name in gone if name in needed]
        if kind == "location" and gone and not self.fields.keys() & {"region", "country"}:
            missing = ["region"]
        if missing:
            raise _Impossible(
                Reason(
                    "protect-required",
                    "without %(property)s it would be no %(kind)s",
                    {"property": missing[0], "kind": kind},
                    "agree to generalise or to pseudonymise it, or keep the object back",
                )
            )

    def _rename(self) -> None:
        self.fields = {key: _with_new_ids(value, self._renamed) for key, value in self.fields.items()}
        self.fields["id"] = derived_id(str(self.original["id"]), self.policy, self._secret)

    def _fixed(self, path: Path, fields: FieldClass) -> _Impossible:
        return _Impossible(
            Reason(
                "protect-fixed",
                "%(property)s itself shows %(fields)s and is never changed",
                {"property": str(path[0]), "fields": fields},
                "keep the object back",
            )
        )


def _keyed(secret: bytes, use: str, text: str) -> bytes:
    return hmac.new(
        secret, f"mithaq-protect-1\0{use}\0{text}".encode("utf-8", "surrogatepass"), hashlib.sha256
    ).digest()


def _tag(text: str, secret: bytes) -> str:
    return base64.b32encode(_keyed(secret, "name", text.casefold())[:10]).decode().lower()


def _truncated(text: str) -> str:
    """Shorten a text at the last space before the limit, or at the limit where there is none."""
    if len(text) <= MAX_TRUNCATED_CHARS:
        return text
    cut = text[: MAX_TRUNCATED_CHARS - 1]
    words = cut.rpartition(" ")[0]
    return f"{(words or cut).rstrip()}…"


def _refers(value: Any, renamed: Mapping[str, str]) -> bool:
    return bool(renamed) and any(text in renamed for text in _strings(value))


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _at(value: Any, path: Path) -> Any:
    for key in path:
        if value is _GONE:
            return _GONE
        value = value[key]
    return value


def _put(value: Any, path: Path, new: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


def _pruned(value: Any) -> Any:
    """Take out what is gone, and what has become empty by it."""
    if isinstance(value, dict) and value:
        kept = {key: left for key, inner in value.items() if (left := _pruned(inner)) is not _GONE}
        return kept or _GONE
    if isinstance(value, list) and value:
        return [left for inner in value if (left := _pruned(inner)) is not _GONE] or _GONE
    return value


def _without(value: Any, gone: re.Pattern[str], key: str) -> Any:
    """Replace what is gone in every text below a property, but for references and words of the standard."""
    if isinstance(value, dict):
        return {
            name if not is_own(name) else gone.sub(REMOVED, name): _without(inner, gone, name)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_without(inner, gone, key) for inner in value]
    if not isinstance(value, str) or key.endswith(("_ref", "_refs")):
        return value
    return value if key in VOCABULARY and gone.fullmatch(value) else gone.sub(REMOVED, value)


def _with_new_ids(value: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _with_new_ids(inner, renamed) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_new_ids(inner, renamed) for inner in value]
    return renamed.get(value, value) if isinstance(value, str) else value
