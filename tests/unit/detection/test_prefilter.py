import json
import random
import threading
from collections.abc import Iterator

import pytest

from mithaq.detection.prefilter.model import Prefilter
from mithaq.standards.observable import TYPES, Observable
from tests.prefiltering import FORMS, as_json, candidate_lines, matching_lines, missed, observable, spelled

WANTED = [
    observable("domain", "evil.example"),
    observable("domain", "bücher.example"),
    observable("domain", "موقع.وزارة.example"),
    observable("ipv4", "192.0.2.7"),
    observable("ipv6", "2001:db8::7"),
    observable("cidr", "10.0.0.0/8"),
    observable("cidr", "198.51.100.0/28"),
    observable("cidr", "2001:db8:1::/48"),
    observable("url", "http://bad.example/x/y.php?id=7"),
    observable("url", "http://bad.example:8080/é/z#top"),
    observable("url", "https://root.example/"),
    observable("url", "http://intranet/x"),
    observable("url", "http://[2001:db8::9]/v6"),
    observable("url", "http://user@login.example/"),
    observable("url", "http://odd.example/?x=/path"),
    observable("email", "o.brien@mail.example"),
    observable("email", "kelvin@mail.example"),
    observable("email", "élise@mail.example"),
    observable("md5", "d41d8cd98f00b204e9800998ecf8427e"),
    observable("sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    observable("sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    observable("sha512", "cf83e1357eefb8bd" * 8),
    observable("ja3", "e0fe397a5edfba9a6facc7c7b341f4eb"),
    observable("ja4", "t13d1516h2_8daaf6152771_e5627efa2ab1"),
]

CANDIDATES = [
    '{"query":"evil.example"}',
    '{"query":"A.B.EVIL.Example."}',
    '{"query":"*.evil.example"}',
    '{"query":" evil.example\u3000"}',
    '{"query":"\\nevil.example\\t"}',
    '{"query":"\\u0065vil\\u002eexample"}',
    '{"query":"evil。example"}',
    '{"query":"ｅｖｉｌ.example"}',
    '{"query":"ev\u00adil.example"}',
    '{"query":"bücher.evil.example"}',
    '{"query":"BÜCHER.example"}',
    '{"query":"bu\u0308cher.example"}',
    '{"query":"XN--BCHER-KVA.example"}',
    '{"query":"موقع.وزارة.example"}',
    '{"query":"موقع.xn--mgbexc3i.example"}',
    '{"host":"evil.example:8443"}',
    '{"a":["192.0.2.7"]}',
    '{"a":"::ffff:192.0.2.7"}',
    '{"a":"::FFFF:C000:0207"}',
    '{"host":"192.0.2.7:80"}',
    '{"a":"2001:0DB8:0000:0000:0000:0000:0000:0007"}',
    '{"a":"2001:db8::7%eth0"}',
    '{"host":"[2001:db8::7]:443"}',
    '{"a":"\\f2001:db8::7"}',
    '{"a":"10.200.3.4"}',
    '{"a":"198.51.100.15"}',
    '{"a":"2001:db8:1:ffff::1"}',
    '{"url":"http://bad.example/x/y.php?id=7"}',
    '{"url":"HTTP:\\/\\/BAD.example:80\\/x\\/y.php?id=7"}',
    '{"host":"bad.example","uri":"/x/y.php?id=7"}',
    '{"uri":"/x/y.php?id=7","host":"bad.example."}',
    '{"host":"bad.example","id.resp_p":8080,"uri":"/é/z#top"}',
    '{"host":"bad.example","id.resp_p":8080,"uri":"\\/%C3%A9\\u002fz#top"}',
    '{"url":"https://root.example"}',
    '{"url":"https://ROOT.example:443/"}',
    '{"host":"intranet","uri":"/x"}',
    '{"host":"2001:db8::9","uri":"/v6"}',
    '{"url":"http://user@login.example"}',
    '{"host":"odd.example?x=","uri":"/path"}',
    '{"url":"http://odd.example?x=/path"}',
    '{"mailfrom":"O.Brien@MAIL.example"}',
    '{"mailfrom":"\\"O, Brien\\" <o.brien@mail.example.>"}',
    '{"mailfrom":"\u212aelvin@mail.example"}',
    '{"mailfrom":"E\u0301LISE@mail.example"}',
    '{"md5":"D41D8CD98F00B204E9800998ECF8427E"}',
    '{"sha1":"da:39:a3:ee:5e:6b:4b:0d:32:55:bf:ef:95:60:18:90:af:d8:07:09"}',
    '{"sha256":"e3b0c44298:fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}',
    '{"sha512":"%s"}' % ("cf83e1357eefb8bd" * 8),
    '{"ja3":"e0fe397a5edfba9a6facc7c7b341f4eb"}',
    '{"ja4":"t13d1516h2_8daaf6152771_e5627efa2ab1"}',
    '{"a":"x","b":{"c":[{"query":"evil.example"}]}}\r',
]

LOOK_ALIKES = [
    '{"query":"notevil.example"}',
    '{"query":"evil.example.com"}',
    '{"query":"xevil-evil.example2"}',
    '{"query":"bucher.example"}',
    '{"query":"example"}',
    '{"a":"192.0.2.70"}',
    '{"a":"1.192.0.2.7"}',
    '{"a":"11.200.3.4"}',
    '{"a":"198.51.100.16"}',
    '{"a":"2001:db8:2::1"}',
    '{"a":"2001:db8::77"}',
    '{"host":"bad.example","uri":"/x/y.php?id=8"}',
    '{"host":"worse.example","uri":"/x/y.php?id=7"}',
    '{"query":"bad.example"}',
    '{"mailfrom":"x.o.brien@mail.example.com"}',
    '{"mailfrom":"obrien@mail.example"}',
    '{"query":"mail.example"}',
    '{"evil.example":"a key"}',
    '{"md5":"d41d8cd98f00b204e9800998ecf8427f"}',
    '{"a":"C:\\\\Users\\\\x\\\\fonts","t":"12:34:56.789012","n":1760000000.000400,"w":"\\u0627\\u0644"}',
]


@pytest.fixture(params=FORMS, ids=lambda form: form.__name__)
def prefilter(request: pytest.FixtureRequest) -> Iterator[Prefilter]:
    built: Prefilter = request.param()
    built.add(WANTED)
    yield built


@pytest.mark.parametrize("line", CANDIDATES)
def test_a_spelling_that_the_parser_understands_is_a_candidate(prefilter: Prefilter, line: str) -> None:
    raw = line.encode()
    assert matching_lines(WANTED, raw) == {raw}, "the case itself is wrong"
    around = b'{"a":"x"}\n' + raw + b'\n{"a":"y"}'
    assert candidate_lines(prefilter, raw) == [raw]
    assert candidate_lines(prefilter, around) == [raw]


@pytest.mark.parametrize("line", LOOK_ALIKES)
def test_what_only_looks_alike_is_not(prefilter: Prefilter, line: str) -> None:
    assert not matching_lines(WANTED, line.encode())
    assert not candidate_lines(prefilter, line.encode())


@pytest.mark.parametrize(
    "cell",
    [
        "evil.example",
        "x,evil.example,y",
        r"\x65vil.example",
        r"b\xc3\xbccher.example",
        r"b\xfccher.example",
        "Ã©vil.example".replace("Ã©", r"\x65"),
    ],
)
def test_the_escapes_of_a_zeek_log_are_undone(prefilter: Prefilter, cell: str) -> None:
    block = f"#separator \\x09\n#path\tdns\n#fields\tquery\tuid\n#types\tset[string]\tstring\n{cell}\tC1".encode()
    row = block.rpartition(b"\n")[2]
    assert matching_lines(WANTED, block) == {row}, "the case itself is wrong"
    assert row in candidate_lines(prefilter, block)


def test_invalid_utf_8_and_nul_bytes_hide_nothing_beside_them(prefilter: Prefilter) -> None:
    block = b"#fields\tquery\tnote\nevil.example\t\xff\x00\xc3\nx\xff\tevil.example\n"
    assert {b"evil.example\t\xff\x00\xc3"} <= set(candidate_lines(prefilter, block))
    replaced = [observable("url", "http://bad.example/%EF%BF%BD")]
    assert not missed(replaced, b"#fields\turl\nhttp://bad.example/\xff")


def test_every_kind_of_observable_is_supported(prefilter: Prefilter) -> None:
    assert {each.type for each in WANTED} == set(TYPES)


def test_a_block_may_be_any_buffer_and_end_anywhere(prefilter: Prefilter) -> None:
    line = b'{"query":"evil.example"}'
    for length in range(200):
        block = b" " * length + line
        assert prefilter.candidates(bytearray(block)) == [(0, len(block))]
        assert prefilter.candidates(memoryview(block + b"\n")) == [(0, len(block))]
    assert prefilter.candidates(b"") == []
    assert prefilter.candidates(b"\n\n") == []


def test_more_candidates_than_expected_are_all_given(prefilter: Prefilter) -> None:
    block = b'{"query":"evil.example"}\n' * 10_000
    assert len(prefilter.candidates(block)) == 10_000


def test_what_was_added_later_is_found_and_nothing_earlier_is_lost(prefilter: Prefilter) -> None:
    late = b'{"query":"late.example"}'
    assert not prefilter.candidates(late)
    prefilter.add(Observable("domain", f"n{number}.example") for number in range(20_000))
    prefilter.add([observable("domain", "late.example")])
    assert prefilter.candidates(late) == [(0, len(late))]
    assert all(candidate_lines(prefilter, line.encode()) for line in CANDIDATES)
    assert prefilter.candidates(b'{"query":"n7.example"}\n{"query":"n19999.example"}\n{"query":"n20000.example"}') == [
        (0, 22),
        (23, 49),
    ]
    assert len(prefilter) > 20_000
    assert prefilter.size_bytes > 20_000 * 8


def test_two_threads_scan_while_a_third_adds(prefilter: Prefilter) -> None:
    block = "\n".join(CANDIDATES + LOOK_ALIKES).encode()
    wanted = matching_lines(WANTED, block)
    lost: list[bytes] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            lost.extend(wanted - set(candidate_lines(prefilter, block)))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for start in range(0, 60_000, 1_000):
        prefilter.add(Observable("domain", f"n{number}.test") for number in range(start, start + 1_000))
    done.set()
    for thread in threads:
        thread.join()
    assert not lost


@pytest.mark.parametrize(
    "text",
    [
        "\\u0041" * 5_000,
        "\\u00e9.\\u00e9" * 5_000,
        "http://bad.example/" * 2_000,
        "é.é。" * 5_000,
        "a:" * 20_000,
        "::" * 20_000,
        "@mail.example" * 2_000,
        ".a" * 20_000,
        "\\\\" * 20_000 + "u",
        "xn--a.é." * 4_000,
    ],
)
def test_hostile_text_does_not_make_its_lines_candidates(prefilter: Prefilter, text: str) -> None:
    line = f'{{"note":"{text}"}}'.encode()
    assert not candidate_lines(prefilter, b"\n".join([line] * 3)) or "bad.example" in text


def test_the_lines_of_a_thousand_odd_spellings_are_all_candidates() -> None:
    chance = random.Random(5)
    lines = [as_json(chance, spelled(chance, chance.choice(WANTED))[0]) for _ in range(3_000)]
    block = b"\n".join(lines)
    assert not missed(WANTED, block)
    assert len(matching_lines(WANTED, block)) > 1_000
    assert json.loads(lines[0])
