"""Lines of bundles for tests of the formats, and values that try to break out of them."""

from hypothesis import strategies as st

from mithaq.response.sensors.model import Line
from mithaq.standards.observable import TYPES, canonical_observable

OBJECT = "indicator--00000000-0000-4000-8000-000000000001"
SHA256 = "a" * 63 + "1"
VALUES = (
    ("domain", "evil.example"),
    ("domain", "xn--bcher-kva.example"),
    ("ipv4", "192.0.2.7"),
    ("ipv6", "2001:db8::1"),
    ("cidr", "198.51.100.0/28"),
    ("cidr", "2001:db8:1::/48"),
    ("url", "http://evil.example:8080/a;b?c=%22d%22|e$f'g(h)#i"),
    ("url", "http://[2001:db8::2]/x"),
    ("url", "https://evil.example/secret"),
    ("email", "o'hara@evil.example"),
    ("md5", "b" * 32),
    ("sha1", "c" * 40),
    ("sha256", SHA256),
    ("sha512", "d" * 128),
    ("ja3", "e" * 32),
    ("ja4", "t13d1516h2_8daaf6152771_02713d6af862"),
)


def line(kind: str, value: str, object_id: str = OBJECT, nation: str = "XB") -> Line:
    return Line(kind, value, object_id, "2026-11-23T11:00:00.000Z", "2026-12-23T11:00:00.000Z", nation)


LINES = [line(*each) for each in VALUES]

_BREAKING = st.sampled_from(
    [";", '"', "'", "''", "\\", "|", "$", "$(id)", "`", "\n", "\r\n", "\t", "\0", "#", "-", "(empty)", "--", "/*", ")",
     "%", ",", " ", "sid:1;", '"; sid:1; rev:1;)\nalert ip any any -> any any (msg:"', "é", "شبكة", "\u2028",
     "\u202e", "😀", "\x85"]
)  # fmt: skip
HOSTILE = st.lists(st.one_of(_BREAKING, st.text(max_size=4)), max_size=8).map("".join)
"""Text that ends strings, fields, rules, lines and statements."""


@st.composite
def hostile_lines(draw: st.DrawFn) -> Line:
    """A line as no object can make it: every text of it is hostile; addresses alone are what they must be."""
    kind = draw(st.sampled_from(TYPES))
    value = draw(HOSTILE)
    if kind in ("ipv4", "ipv6", "cidr"):
        value = {"ipv4": "192.0.2.7", "ipv6": "2001:db8::1", "cidr": "192.0.2.0/28"}[kind]
    elif kind == "url":
        value = draw(st.sampled_from(["http://", "https://", "ftp://", ""])) + draw(HOSTILE) + "/" + value
    return line(kind, value, draw(HOSTILE), draw(HOSTILE))


@st.composite
def hostile_values(draw: st.DrawFn) -> Line:
    """A line as a hostile object can make it: what the canonical form lets pass."""
    text = draw(HOSTILE)
    shaped = {
        "url": [f"http://evil.example/{text}", f"http://evil{text}.example/", f"http://evil.example:80{text}/"],
        "email": [f"{text}@evil.example", f"a@{text}.example"],
        "domain": [f"{text}.example", f"evil.{text}"],
    }
    kind = draw(st.sampled_from(sorted(shaped)))
    found = canonical_observable(kind, draw(st.sampled_from(shaped[kind])))
    return line(found.type, found.value) if found else line("domain", "evil.example")
