"""No spelling of a wanted thing escapes the prefilter: the parser and the matcher themselves are the oracle."""

import random
import string

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mithaq.standards.observable import Observable, canonical_observable
from tests import strategies
from tests.prefiltering import as_json, as_zeek, missed, observable, spelled

_LETTERS = st.sampled_from("abkﬁéßσςıö中日本ابتпри한글デ" + string.ascii_lowercase)
_labels = st.text(_LETTERS, min_size=1, max_size=8)
_international = st.lists(_labels, min_size=1, max_size=3).map(".".join)
_addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
_networks = st.tuples(_addresses, st.integers(1, 127)).map(
    lambda pair: f"{pair[0]}/{min(pair[1], 31 if '.' in pair[0] else 127)}"
)
_paths = st.text(st.sampled_from("/?#%@:;,.|&=+~'\\é中 ab1XY_-"), max_size=30)
_hosts = st.one_of(strategies.domains, strategies.ipv4, _international, st.ip_addresses(v=6).map(lambda v6: f"[{v6}]"))
_urls = st.tuples(
    st.sampled_from(["http", "https", "ftp"]),
    st.sampled_from(["", "", "u@"]),
    _hosts,
    st.sampled_from(["", ":8080"]),
    _paths,
).map(lambda parts: "{}://{}{}{}/{}".format(*parts))
_emails = st.tuples(st.text(st.sampled_from("abK.+-_/'=é|"), min_size=1, max_size=20), _hosts).map("@".join)


def _canonical(kind: str) -> st.SearchStrategy[Observable]:
    raw = {
        "domain": _international.map(lambda name: f"{name}.example"),
        "ipv4": _addresses,
        "cidr": _networks,
        "url": _urls,
        "email": _emails,
    }[kind]
    found = raw.map(lambda text: canonical_observable(kind, text))
    return found.filter(lambda each: each is not None).map(lambda each: each or Observable("domain", "never.example"))


wanted = st.lists(
    st.one_of(strategies.observables, *map(_canonical, ("domain", "ipv4", "cidr", "url", "email"))),
    min_size=1,
    max_size=8,
)


@settings(max_examples=120)
@given(wanted, st.randoms(use_true_random=False), st.booleans())
def test_every_spelling_in_json_is_a_candidate(seen: list[Observable], chance: random.Random, more: bool) -> None:
    lines = [as_json(chance, spelled(chance, chance.choice(seen))[0]) for _ in range(10)]
    assert not missed(seen, b"\n".join(lines) + (b"\n" if more else b""))


@settings(max_examples=80)
@given(wanted, st.randoms(use_true_random=False))
def test_every_spelling_in_a_zeek_log_is_a_candidate(seen: list[Observable], chance: random.Random) -> None:
    for _ in range(4):
        assert not missed(seen, as_zeek(chance, spelled(chance, chance.choice(seen))[0]))


@settings(max_examples=100)
@given(wanted, st.randoms(use_true_random=False), st.lists(st.binary(max_size=60), max_size=20))
@example([observable("domain", "a.b")], random.Random(0), [b'{"query":"a.b"}', b"\\", b"\\u", b'"\\ud800'])
def test_bytes_without_meaning_hide_nothing(seen: list[Observable], chance: random.Random, noise: list[bytes]) -> None:
    lines = [as_json(chance, spelled(chance, chance.choice(seen))[0]) for _ in range(5)]
    block = bytearray()
    for line in [*lines, *noise]:
        if chance.random() < 0.2 and line:
            at = chance.randrange(len(line))
            block += line[:at] + bytes([chance.randrange(256)]) + line[at + 1 :] + b"\n"
        else:
            block += line + b"\n"
    assert not missed(seen, bytes(block))


@settings(max_examples=100)
@given(
    wanted, st.text(max_size=200), st.sampled_from(["query", "host", "url", "uri", "mailfrom", "hash", "ja4", "note"])
)
def test_any_text_in_any_field_is_judged_alike(seen: list[Observable], text: str, field: str) -> None:
    values = [each.value for each in seen]
    record = {field: text, "host": text[: len(text) // 2] or values[0], "uri": f"/{text}"}
    chance = random.Random(len(text))
    block = (
        as_json(chance, record)
        + b"\n"
        + as_json(chance, {field: values[0] + text, "b": [text + value for value in values]})
    )
    assert not missed(seen, block)
