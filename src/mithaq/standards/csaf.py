"""Read security advisories in CSAF 2.0 (OASIS Standard, 18 November 2022); section numbers are its own.

Only what this node uses is read; everything else stays in the bytes, which are the record. Checked are the fields that
§3.2.1 makes mandatory and the form of a version (§3.1.11); the tests of §6 are a publisher's to run and are left out.
CSAF 2.1 is another format and is refused by its number.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339
from mithaq.kernel.errors import Error
from mithaq.standards.tlp import Tlp

MAX_BYTES: Final = 16 * 1024 * 1024
"""Annex C.1 recommends at most 15 MB."""

MAX_VULNERABILITIES: Final = 10_000
MAX_SIDECAR_BYTES: Final = 4096

Status = Literal["draft", "interim", "final"]
"""§3.2.1.12.7: a draft is not meant for publication, an interim one may change soon."""

_MAX_PRODUCT_CHARS: Final = 500
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_INTEGER: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_SEMANTIC: Final = re.compile(
    r"(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})(?:-([0-9A-Za-z.-]{1,200}))?(?:\+[0-9A-Za-z.-]{1,200})?"
)
_HEX_CHARS: Final = {"sha256": 64, "sha512": 128}


class BadAdvisory(Error):
    """A CSAF document that cannot be read, or whose digest is another."""

    code = "bad-csaf"


class Note(msgspec.Struct, frozen=True):
    """§3.1.7."""

    category: str
    text: str
    title: str = ""


class Reference(msgspec.Struct, frozen=True):
    """§3.1.10."""

    summary: str
    url: str
    category: str = "external"


class Publisher(msgspec.Struct, frozen=True):
    """§3.2.1.8."""

    category: str
    name: str
    namespace: str


class Tracking(msgspec.Struct, frozen=True):
    """§3.2.1.12."""

    id: str
    status: Status
    version: str
    current_release_date: str
    initial_release_date: str


class TlpLabel(msgspec.Struct, frozen=True):
    """§3.2.1.5.2."""

    label: str


class Distribution(msgspec.Struct, frozen=True):
    """§3.2.1.5."""

    tlp: TlpLabel | None = None
    text: str = ""


class Document(msgspec.Struct, frozen=True):
    """§3.2.1."""

    category: str
    csaf_version: str
    title: str
    publisher: Publisher
    tracking: Tracking
    distribution: Distribution = Distribution()
    lang: str = ""
    notes: tuple[Note, ...] = ()
    references: tuple[Reference, ...] = ()


class VulnerabilityId(msgspec.Struct, frozen=True):
    """§3.2.3.6."""

    system_name: str
    text: str


class Weakness(msgspec.Struct, frozen=True):
    """§3.2.3.3."""

    id: str
    name: str


class Cvss(msgspec.Struct, frozen=True, rename="camel"):
    """What is read of a CVSS score (§3.2.3.13.2, §3.2.3.13.3); `severity` is there from 3.0 on."""

    version: str
    vector_string: str
    base_score: float
    base_severity: str = ""


class Score(msgspec.Struct, frozen=True):
    """§3.2.3.13."""

    products: tuple[str, ...]
    cvss_v2: Cvss | None = None
    cvss_v3: Cvss | None = None


class Remediation(msgspec.Struct, frozen=True):
    """§3.2.3.12."""

    category: str
    details: str
    url: str = ""
    product_ids: tuple[str, ...] = ()


class Vulnerability(msgspec.Struct, frozen=True):
    """§3.2.3."""

    cve: str = ""
    cwe: Weakness | None = None
    title: str = ""
    ids: tuple[VulnerabilityId, ...] = ()
    notes: tuple[Note, ...] = ()
    references: tuple[Reference, ...] = ()
    product_status: dict[str, tuple[str, ...]] = {}
    remediations: tuple[Remediation, ...] = ()
    scores: tuple[Score, ...] = ()

    @property
    def name(self) -> str:
        """Return the CVE number, else an id of another system, else the title, else nothing."""
        return self.cve or next((each.text for each in self.ids), "") or self.title


class Advisory(msgspec.Struct, frozen=True):
    """One CSAF document (§3.2)."""

    document: Document
    product_tree: dict[str, Any] = {}
    vulnerabilities: tuple[Vulnerability, ...] = ()

    @property
    def tlp(self) -> Tlp | None:
        """Return its label; one that nobody knows is the strictest, None where there is none."""
        if self.document.distribution.tlp is None:
            return None
        found = Tlp.parse(self.document.distribution.tlp.label)
        return Tlp.RED if found is None else found

    @property
    def released(self) -> tuple[datetime, datetime]:
        """Return when it was first and when it was last released."""
        tracking = self.document.tracking
        first, last = from_rfc3339(tracking.initial_release_date), from_rfc3339(tracking.current_release_date)
        return min(first, last), last

    def products(self) -> dict[str, str]:
        """Return the names of its products by their ids (§3.2.2); the tree itself stays in the document."""
        return dict(_products(self.product_tree))


def read_advisory(body: bytes) -> Advisory:
    """Read a CSAF 2.0 document.

    Raises:
        BadJson: it is no strict JSON, or too large.
        BadAdvisory: another version of CSAF, or a field that is missing or cannot be.
    """
    content = canonical.loads(body, max_bytes=MAX_BYTES, subject="csaf")
    _check_version(content)
    if any(_UNSTORABLE.search(text) for text in _texts(content)):
        raise BadAdvisory("a text in it holds a NUL or half a character")
    try:
        advisory = msgspec.convert(content, Advisory)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadAdvisory("it breaks the form of CSAF 2.0: %(detail)s", detail=str(error)[:200]) from error
    _check(advisory)
    return advisory


def is_advisory(content: Any) -> bool:
    """Tell whether a JSON document says of itself that it is CSAF, of any version."""
    document = content.get("document") if isinstance(content, dict) else None
    return isinstance(document, dict) and "csaf_version" in document


def revision(advisory: Advisory) -> tuple[datetime, tuple[Any, ...]]:
    """Return what orders the revisions of one advisory: when it was released, and its version (§3.1.11)."""
    return advisory.released[1], version_order(advisory.document.tracking.version)


def version_order(version: str) -> tuple[Any, ...]:
    """Return what orders versions, both the integers and the semantic ones.

    >>> version_order("2") > version_order("1"), version_order("1.0.0-1") < version_order("1.0.0")
    (True, True)
    """
    if _INTEGER.fullmatch(version):
        return (int(version), 0, 0, 1, ())
    found = _SEMANTIC.fullmatch(version)
    if found is None:
        raise BadAdvisory("“%(version)s” is no version", version=version[:80])
    numbers = tuple(int(number) for number in found.group(1, 2, 3))
    before = found.group(4)
    parts = tuple((0, int(p), "") if _INTEGER.fullmatch(p) else (1, 0, p) for p in before.split(".")) if before else ()
    return (*numbers, 0 if before else 1, parts)


def check_digest(body: bytes, sidecar: bytes, algorithm: Literal["sha256", "sha512"]) -> None:
    """Hold a document against the digest that lies beside it (§7.1.18): hexadecimal digits, a blank, the file's name.

    Raises:
        BadAdvisory: the digest is another, or the file beside it holds none.
    """
    words = sidecar[:MAX_SIDECAR_BYTES].split()
    given = words[0].lower() if words else b""
    if len(given) != _HEX_CHARS[algorithm]:
        raise BadAdvisory("the file beside it holds no %(algorithm)s digest", algorithm=algorithm)
    if not hmac.compare_digest(given, hashlib.new(algorithm, body).hexdigest().encode()):
        raise BadAdvisory("its %(algorithm)s digest is not the one that lies beside it", algorithm=algorithm)


def _texts(content: Any) -> Iterator[str]:
    waiting = [content]
    while waiting:
        match waiting.pop():
            case str(text):
                yield text
            case dict(members):
                waiting += (*members, *members.values())
            case list(items):
                waiting += items


def _check_version(content: Any) -> None:
    if not is_advisory(content):
        raise BadAdvisory("it is no CSAF document: there is no document.csaf_version")
    version = content["document"]["csaf_version"]
    if version != "2.0":
        raise BadAdvisory("CSAF %(version)s is not read here, only 2.0", version=str(version)[:20])


def _check(advisory: Advisory) -> None:
    tracking = advisory.document.tracking
    if not tracking.id.strip() or len(tracking.id) > 500:
        raise BadAdvisory("tracking.id is empty or too long")
    try:
        for at in advisory.released:
            if at < datetime(1970, 1, 1, tzinfo=UTC):
                raise BadAdvisory("a release date lies before 1970")
    except ValueError as error:
        raise BadAdvisory("a release date is no date with a time zone") from error
    version_order(tracking.version)
    if len(advisory.vulnerabilities) > MAX_VULNERABILITIES:
        raise BadAdvisory("more than %(max)s vulnerabilities", max=MAX_VULNERABILITIES)
    for each in advisory.vulnerabilities:
        if each.cve and not _CVE.fullmatch(each.cve):
            raise BadAdvisory("“%(cve)s” is no CVE number", cve=each.cve[:80])


def _products(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return id and name of every product: in branches, listed, and made of two by a relationship (§3.2.2)."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        listed = node.get("full_product_names")
        for found in (
            node.get("product"),
            node.get("full_product_name"),
            *(listed if isinstance(listed, list) else ()),
        ):
            if isinstance(found, dict) and isinstance(found.get("product_id"), str):
                yield found["product_id"], str(found.get("name", ""))[:_MAX_PRODUCT_CHARS]
        for key in ("branches", "relationships"):
            below = node.get(key)
            waiting += below if isinstance(below, list) else ()
