"""Find in a decoded record everything that an indicator could name, and in which field.

Addresses, URLs and e-mail addresses are plain from their shape and are taken from any leaf. Names and hashes are
not (`gpt.ini` looks like a domain, a JA3 like an MD5), so they are taken only from fields that hold them. A few
fields hold several values in one text: Sysmon's `Hashes` and `QueryResults`, command lines, dnstap's messages.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from itertools import islice
from typing import Final

from mithaq.standards.observable import MAX_VALUE_CHARS, Observable, canonical_observable, is_ipv4
from mithaq.telemetry.parsers.paths import MAX_SHAPE_CHARS, MAX_SHAPES

Found = tuple[tuple[str, Observable], ...]

_MAX_CACHED_CHARS: Final = 255
_MAX_CACHED: Final = 8192
MAX_OBSERVABLES: Final = 2_000
"""Far above any real event; one hostile line must not fill the lake's index."""

_TOKENS: Final = re.compile(r"[^a-z0-9]+")
_HASHES: Final = {"md5": "md5", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512"}
_HASH_BY_CHARS: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_NAME_FIELDS: Final = frozenset(
    {
        *("query", "qname", "q_name", "rrname", "answer", "answers", "rdata", "cname", "ns", "mx", "ptr"),
        *("queryname", "domainname", "destinationhostname", "sourcehostname"),
        *("server_name", "sni", "subjectaltname", "helo", "dest", "server"),
        *("host", "hostname", "host_name", "http_host", "remote_host", "dns_name"),
        *("domain", "domain_name", "fqdn", "client_fqdn", "assigned_fqdn"),
    }
)
_NAME_ENDINGS: Final = (
    *("_host", "_hostname", "_domain", "_domain_name", "_fqdn", "_sni", "_computer_name"),
    *("san_dns", "question_name", "answers_name", "answers_data", "an_name", "ns_name", "ar_name"),
)
_HASH_PARENTS: Final = frozenset({"hashes", "hash", "fingerprint", "fingerprints", "algorithm"})
_TEXTS: Final = frozenset({"commandline", "parentcommandline", "cmdline", "scriptblocktext", "command_line"})
_URL_IN_TEXT: Final = re.compile(r"(?:https?|ftp)://[^\s\"'<>|()\[\]{},;`^]{4,2048}", re.IGNORECASE)
_URL_END: Final = ".:!?&"
_MAX_IN_TEXT: Final = 64
_MAX_TEXT_CHARS: Final = 64 * 1024
_RESULT: Final = re.compile(r"(?:type: +[0-9]{1,5} +)?(\S{1,1100})")
_NO_FIELDS: Final = ("version", "user_agent", "useragent")
_URL_HOSTS: Final = ("host", "hostname", "http_host", "cs_host", "cs-host", "cs(Host)", "dest_host")
_URL_PATH_NAMES: Final = ("uri", "url", "path", "cs_uri", "cs-uri", "cs_uri_stem", "cs-uri-stem")
URL_PATHS: Final = frozenset(_URL_PATH_NAMES)
"""A record with any of these may have a URL in two fields."""

_DIGITS: Final = frozenset("0123456789[")
_HOLDERS: Final = (str, dict, list, tuple)
"""What of a decoded line may hold text."""


class _Holds(Enum):
    """What the name of a field says about its values."""

    ANYTHING = "anything"
    NAME = "name"
    HASH = "hash"
    HASHES = "algorithm=hash, …"
    RESULTS = "answer; answer; …"
    TEXT = "text that may hold URLs"
    DNS_TEXT = "a DNS message as dig prints it"
    NOTHING = "nothing"


def observables_of(record: Mapping[str, object]) -> Found:
    """Return every (field, observable) of a record, in order of the fields, each once.

    >>> observables_of({"query": "A.Evil.Example.", "answers": ["192.0.2.7"]})[0]
    ('query', Observable(type='domain', value='a.evil.example'))
    """
    # By its texts and not as an observable, whose hash is computed in Python.
    found: dict[tuple[str, str, str], tuple[str, Observable]] = {}
    shape = tuple(record)
    plan = _PLANS.get(shape) or _planned(shape)
    if plan.is_composed:
        for field, text in composed_urls("", record):
            _add(found, field, observables_in(field, text))
    for field, meaning in plan.fields:
        value = record[field]
        if type(value) is str:
            seen = meaning.known.get(value)
            if seen is None:
                if meaning is _ANYTHING and _is_plain(value):
                    continue
                seen = meaning.read(value)
            if seen:
                _add(found, field, seen)
        elif value and isinstance(value, _HOLDERS):
            for name, text in _leaves_below(field, value):
                _add(found, name, observables_in(name, text))
                if len(found) > MAX_OBSERVABLES:
                    break
        if len(found) > MAX_OBSERVABLES:
            break
    return tuple(found.values())


def _add(found: dict[tuple[str, str, str], tuple[str, Observable]], field: str, every: tuple[Observable, ...]) -> None:
    for seen in every:
        found[field, seen.type, seen.value] = (field, seen)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What records with the same fields have in common: which of these may hold something."""

    fields: tuple[tuple[str, "_Meaning"], ...]
    is_composed: bool


_PLANS: Final[dict[tuple[str, ...], _Plan]] = {}


def _planned(shape: tuple[str, ...]) -> _Plan:
    """Make the plan of a shape, and keep it if it is of a size that sensors write."""
    fields = tuple((field, _meant(field)) for field in shape)
    plan = _Plan(fields, not URL_PATHS.isdisjoint(shape))
    if sum(map(len, shape)) <= MAX_SHAPE_CHARS:
        if len(_PLANS) >= MAX_SHAPES:
            _PLANS.clear()
        _PLANS[shape] = plan
    return plan


def _leaves_below(name: str, inner: object) -> Iterator[tuple[str, str]]:
    stack: list[tuple[str, object]] = [(name, inner)]
    while stack:
        field, value = stack.pop()
        if isinstance(value, str):
            yield field, value
        elif isinstance(value, dict):
            prefix = f"{field}." if field else ""
            stack.extend((prefix + key, value[key]) for key in reversed(value) if isinstance(value[key], _HOLDERS))
            if not URL_PATHS.isdisjoint(value):
                yield from composed_urls(prefix, value)
        elif isinstance(value, list | tuple):
            stack.extend((field, item) for item in reversed(value) if isinstance(item, _HOLDERS))


def composed_urls(prefix: str, record: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Join host and path where a sensor logs them apart (Zeek http, Suricata http, proxies)."""
    path_field, path = _first_text(record, _URL_PATH_NAMES)
    if not path.startswith("/"):
        return
    _, host = _first_text(record, (*_URL_HOSTS, "domain") if prefix.endswith("url.") else _URL_HOSTS)
    if not host or "/" in host:
        return
    scheme = record.get("scheme")
    scheme = scheme if scheme in {"http", "https"} else "http"
    bare = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
    yield prefix + path_field, f"{scheme}://{bare}{path}"
    port = _port(record)
    if port and ":" not in host and port not in {80, 443}:
        yield prefix + path_field, f"{scheme}://{bare}:{port}{path}"


def _first_text(record: Mapping[str, object], names: tuple[str, ...]) -> tuple[str, str]:
    for name in names:
        value = record.get(name)
        if isinstance(value, str) and value:
            return name, value
    return "", ""


def _port(record: Mapping[str, object]) -> int:
    for name in ("id.resp_p", "id_resp_p", "http_port", "dest_port", "port"):
        value = record.get(name)
        if isinstance(value, int | float) and 0 < value < 65536:
            return int(value)
    return 0


class _Meaning:
    """What a field's name says: what it holds, for a hash which one; and what was read there lately.

    A few values make most of any log, whichever of the fields of one meaning they stand in.
    """

    __slots__ = ("holds", "kind", "known")

    def __init__(self, holds: "_Holds", kind: str) -> None:
        self.holds = holds
        self.kind = kind
        self.known: dict[str, tuple[Observable, ...]] = {}

    def read(self, text: str) -> tuple[Observable, ...]:
        """Return what a text in such a field names."""
        found = _typed(self.holds, self.kind, text)
        if len(text) <= _MAX_CACHED_CHARS:
            if len(self.known) >= _MAX_CACHED:
                self.known.clear()
            self.known[text] = found
        return found


_ANYTHING: Final = _Meaning(_Holds.ANYTHING, "")


def _meant(field: str) -> _Meaning:
    return _of_name(field) if len(field) <= _MAX_CACHED_CHARS else _ANYTHING


def may_name(field: str, texts: Sequence[str]) -> bool:
    """Tell of many texts in a field at once whether any of them may name something; what is told is no is none."""
    meaning = _meant(field)
    if meaning is not _ANYTHING:
        return meaning.holds is not _Holds.NOTHING
    every = "\n".join(texts)
    return "." in every or ":" in every or "@" in every


def observables_in(field: str, text: str) -> tuple[Observable, ...]:
    """Return what a text in a field of this name names."""
    meaning = _meant(field)
    found = meaning.known.get(text)
    if found is not None:
        return found
    return () if meaning is _ANYTHING and _is_plain(text) else meaning.read(text)


def _is_plain(text: str) -> bool:
    """Tell of most texts in a field that may hold anything that they are neither address, URL nor e-mail address."""
    if "@" in text or "://" in text:
        return False
    if ":" not in text and (text[:1] not in _DIGITS or "." not in text):
        return True
    return "/" in text or not text


def _typed(holds: _Holds, kind: str, text: str) -> tuple[Observable, ...]:
    if holds is _Holds.NOTHING or not text:
        return ()
    if holds in _SEVERAL:
        return tuple(islice(_SEVERAL[holds](text[:_MAX_TEXT_CHARS]), _MAX_IN_TEXT))
    if len(text) > MAX_VALUE_CHARS:
        return ()
    if holds is not _Holds.HASH and is_ipv4(text):
        return (Observable("ipv4", text),)
    return tuple(_read(holds, kind, text))


@lru_cache(maxsize=4096)
def _of_name(field: str) -> _Meaning:
    return _of(*_meaning(field))


@cache
def _of(holds: _Holds, kind: str) -> _Meaning:
    """Return one meaning; there are a dozen."""
    return _ANYTHING if holds is _Holds.ANYTHING else _Meaning(holds, kind)


def _meaning(field: str) -> tuple[_Holds, str]:
    """Read a field's name once: what it holds, and for a hash which one."""
    tokens = [token for token in _TOKENS.split(field.lower()) if token]
    last = tokens[-1] if tokens else ""
    before = tokens[-2] if len(tokens) > 1 else ""
    if {"ja3", "ja4"} & {last, before if last == "hash" else ""}:
        return _Holds.HASH, "ja4" if "ja4" in {last, before} else "ja3"
    if {"ja3", "ja4"} & set(tokens[-3:]) and last in {"value", "hash", "list", "fingerprint"}:
        return _Holds.HASH, "ja4" if "ja4" in tokens[-3:] else "ja3"
    if last in _HASHES:
        return _Holds.HASH, last
    if before == "sha" and last in {"1", "256", "512"}:
        return _Holds.HASH, "sha" + last
    if last in {"hash", "filehash", "fingerprint", "fingerprints", "fps"}:
        return (_Holds.NOTHING, "") if before in {"ja3s", "ja4s"} else (_Holds.HASH, "")
    if last == "hashes":
        return _Holds.HASHES, ""
    if last == "value" and before in _HASH_PARENTS:
        return (_Holds.NOTHING, "") if {"ja3s", "ja4s"} & set(tokens) else (_Holds.HASH, "")
    joined = "_".join(tokens)
    if last in _TEXTS or joined.endswith("command_line"):
        return _Holds.TEXT, ""
    if last == "queryresults":
        return _Holds.RESULTS, ""
    if joined in {"message_query_message", "message_response_message"}:
        return _Holds.DNS_TEXT, ""
    if last in _NAME_FIELDS or joined.endswith(_NAME_ENDINGS) or "_".join(tokens[-2:]) in _NAME_FIELDS:
        return _Holds.NAME, ""
    if joined.endswith(_NO_FIELDS):
        return _Holds.NOTHING, ""
    return (_Holds.NAME, "") if "grouped" in tokens else (_Holds.ANYTHING, "")


def _read(holds: _Holds, kind: str, text: str) -> Iterator[Observable]:
    if holds is _Holds.HASH:
        if "=" in text:
            yield from _hashes(text)
            return
        bare = text.replace(":", "")
        yield from _one(kind or _HASH_BY_CHARS.get(len(bare), ""), bare)
        return
    if "://" in text:
        yield from _url_and_host(text)
    elif "@" in text:
        yield from _email_and_domain(text)
    elif "/" not in text:
        yield from _host(text, named=holds is _Holds.NAME)


def _hashes(text: str) -> Iterator[Observable]:
    """Read Sysmon's `SHA1=…,MD5=…,SHA256=…,IMPHASH=…`, or hashes that stand alone."""
    for part in text.split(",", _MAX_IN_TEXT):
        name, equals, value = part.strip().rpartition("=")
        kind = _HASHES.get(name.lower().replace("-", ""), "") if equals else _HASH_BY_CHARS.get(len(value), "")
        yield from _one(kind, value)


def _results(text: str) -> Iterator[Observable]:
    """Read Sysmon's `type:  5 cdn.evil.example;::ffff:192.0.2.1;`."""
    for part in text.split(";", _MAX_IN_TEXT):
        match = _RESULT.fullmatch(part.strip())
        if match:
            yield from _host(match[1], named=True)


def _urls_in(text: str) -> Iterator[Observable]:
    """Read the URLs of a command line: what runs to the next blank or quotation mark."""
    for match in islice(_URL_IN_TEXT.finditer(text), _MAX_IN_TEXT):
        yield from _url_and_host(match[0].rstrip(_URL_END))


def _dns_text(text: str) -> Iterator[Observable]:
    """Read the names and addresses of a DNS message as `dig` prints it."""
    for line in text.splitlines()[:_MAX_IN_TEXT]:
        if line.startswith(";;") or not line.strip("; \t"):
            continue
        cells = line.lstrip(";").split()
        for cell in (cells[0], cells[-1]) if len(cells) > 3 else cells[:1]:
            yield from _host(cell, named=True)


_SEVERAL: Final[dict[_Holds, Callable[[str], Iterator[Observable]]]] = {
    _Holds.HASHES: _hashes,
    _Holds.RESULTS: _results,
    _Holds.TEXT: _urls_in,
    _Holds.DNS_TEXT: _dns_text,
}


def _one(kind: str, text: str) -> Iterator[Observable]:
    observable = canonical_observable(kind, text)
    if observable is not None:
        yield observable


def _host(text: str, *, named: bool) -> Iterator[Observable]:
    """Read an address in any field; a name, its port and its wildcard only where a name is expected."""
    if text[0] in "0123456789:[" or ":" in text:
        address = canonical_observable("ipv4", text)
        if address is not None:
            yield address
            return
    if not named:
        return
    if text[0] == "[":
        yield from _one("ipv6" if ":" in text else "ipv4", text[1:].partition("]")[0])
        return
    host, colon, port = text.removeprefix("*.").partition(":")
    if colon and not port.isdecimal():
        return
    yield from _one("ipv4" if host[:1].isdigit() and host[-1:].isdigit() else "domain", host)


def _url_and_host(text: str) -> Iterator[Observable]:
    url = canonical_observable("url", text)
    if url is None:
        return
    yield url
    authority = url.value.partition("://")[2].partition("/")[0].rpartition("@")[2]
    yield from _host(authority, named=True)


def _email_and_domain(text: str) -> Iterator[Observable]:
    _, angle, rest = text.rpartition("<")
    email = canonical_observable("email", rest.partition(">")[0] if angle else text)
    if email is None:
        return
    yield email
    yield Observable("domain", email.value.rpartition("@")[2])
