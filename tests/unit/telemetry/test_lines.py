from datetime import UTC, datetime

import pytest

from mithaq.kernel.lane import ACTUAL
from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.model import Event, Format, Source
from mithaq.telemetry.parsers.line import LineParser

TSV = rb"""#separator \x09
#set_separator	,
#empty_field	(empty)
#unset_field	-
#path	dns
#open	2020-04-30-00-00-00
#fields	ts	uid	id.orig_h	id.orig_p	id.resp_h	query	answers	TTLs	note
#types	time	string	addr	port	addr	string	vector[string]	vector[interval]	string
1588205198.899710	Cw1	10.0.1.4	64842	10.0.0.4	evil.example	192.0.2.1,cdn.evil.example	3600.0,-	-
1588205199.000000	Cw2	10.0.1.4	64843	10.0.0.4	b\xc3\xbccher.example	(empty)	-	a\x09tab
#close	2020-04-30-01-00-00
"""


def parser(line_format: Format = Format.AUTO, file_name: str = "") -> LineParser:
    return LineParser(Source("s", "", line_format, ACTUAL), file_name=file_name)


def events(reader: LineParser, text: bytes, at: datetime) -> list[Event]:
    found, offset = [], 0
    for line in text.splitlines():
        event = reader.parse(line, offset, at)
        offset += len(line) + 1
        if event is not None:
            found.append(event)
    return found


def values(event: Event) -> set[str]:
    return {str(observable) for _, observable in event.observables}


def test_zeek_tsv_is_read_by_its_header(at: datetime) -> None:
    first, second = events(parser(), TSV, at)
    assert first.kind == "zeek.dns"
    assert first.at == datetime(2020, 4, 30, 0, 6, 38, 899710, UTC)
    assert values(first) == {
        "ipv4:10.0.1.4",
        "ipv4:10.0.0.4",
        "domain:evil.example",
        "ipv4:192.0.2.1",
        "domain:cdn.evil.example",
    }
    assert "domain:xn--bcher-kva.example" in values(second)


def test_a_tsv_log_is_taken_up_in_the_middle_from_its_kept_header(at: datetime) -> None:
    header, rows = TSV.split(b"1588205198", 1)
    before = parser()
    events(before, header, at)
    after = LineParser(Source("s", "", Format.AUTO, ACTUAL), state=before.state)
    assert [event.kind for event in events(after, b"1588205198" + rows, at)] == ["zeek.dns", "zeek.dns"]


def test_a_tsv_row_with_another_number_of_fields_is_broken(at: datetime) -> None:
    reader = parser()
    events(reader, TSV, at)
    with pytest.raises(BadLine, match="3 fields, its header names 9"):
        reader.parse(b"1588205199.0\tx\ty", 0, at)


def test_a_row_before_any_header_is_broken(at: datetime) -> None:
    with pytest.raises(BadLine, match="neither a JSON object nor a row"):
        parser().parse(b"1588205199.0\tx\ty", 0, at)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"@stream":"conn","ts":1588205199.5,"uid":"C","id_orig_h":"10.0.1.6"}', "zeek.conn"),
        (b'{"_path":"ssl","ts":1588205199.5,"uid":"C","id.orig_h":"10.0.1.6"}', "zeek.ssl"),
        (b'{"timestamp":"2020-04-30T00:06:39.500000+0000","event_type":"dns","flow_id":1}', "suricata.dns"),
        (b'{"time":"2020-04-30T00:06:39.5Z","qname":"evil.example"}', "dns"),
        (b'{"@timestamp":"2020-04-30T02:06:39.5+02:00","url":"http://evil.example/"}', "proxy"),
        (b'{"time":1588205199500,"message":"hello"}', "json"),
    ],
)
def test_the_sensor_is_recognised_line_by_line_and_its_time_is_read(line: bytes, kind: str, at: datetime) -> None:
    event = parser().parse(line, 0, at)
    assert event is not None
    assert event.kind == kind
    assert event.at == datetime(2020, 4, 30, 0, 6, 39, 500000, UTC)
    assert event.raw == line


def test_a_zeek_json_log_without_a_path_is_named_by_its_file(at: datetime) -> None:
    event = parser(file_name="conn.log").parse(b'{"ts":1.5,"uid":"C","id.orig_h":"10.0.0.1"}', 0, at)
    assert event is not None
    assert event.kind == "zeek.conn"


@pytest.mark.parametrize(
    "line",
    [b'{"query":"a.example"}', b'{"ts":"yesterday","query":"a.example"}', b'{"ts":1e400,"query":"a.example"}'],
)
def test_an_event_without_a_readable_time_gets_the_time_of_its_arrival(line: bytes, at: datetime) -> None:
    if b"1e400" in line:
        with pytest.raises(BadLine):
            parser().parse(line, 0, at)
        return
    event = parser().parse(line, 0, at)
    assert event is not None
    assert event.at == at


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a":', "not valid JSON"),
        (b'{"a":"\xff"}', "not valid JSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'["a"]', "neither a JSON object"),
        (b"{'a': 1}", "not valid JSON"),
        (b"just text", "neither a JSON object"),
    ],
)
def test_a_broken_line_says_what_is_wrong_with_it(line: bytes, reason: str, at: datetime) -> None:
    with pytest.raises(BadLine, match=reason):
        parser().parse(line, 0, at)


@pytest.mark.parametrize(
    ("line_format", "line"),
    [
        (Format.SURICATA_EVE, b'{"_path":"dns","ts":1}'),
        (Format.ZEEK_JSON, b'{"timestamp":"2020-04-30T00:06:39Z","event_type":"dns"}'),
        (Format.DNS, b"a\tb"),
        (Format.ZEEK_TSV, b'{"_path":"dns"}'),
    ],
)
def test_a_declared_format_is_held_to(line_format: Format, line: bytes, at: datetime) -> None:
    with pytest.raises(BadLine):
        parser(line_format).parse(line, 0, at)


def test_an_escaped_name_is_the_name(at: datetime) -> None:
    event = parser().parse(rb'{"query":"\u0065vil.example"}', 0, at)
    assert event is not None
    assert values(event) == {"domain:evil.example"}


def test_uncompressed_and_mapped_addresses_of_suricata_are_canonical(at: datetime) -> None:
    line = (
        b'{"timestamp":"2020-04-30T00:06:39Z","event_type":"flow",'
        b'"src_ip":"2001:0db8:0000:0000:0000:0000:0000:0001","dest_ip":"::ffff:192.0.2.1"}'
    )
    event = parser().parse(line, 0, at)
    assert event is not None
    assert values(event) == {"ipv6:2001:db8::1", "ipv4:192.0.2.1"}


def test_the_same_line_at_the_same_place_is_the_same_event(at: datetime) -> None:
    line = b'{"query":"a.example"}'
    ids = [event.event_id for event in (parser().parse(line, place, at) for place in (0, 0, 22)) if event]
    assert ids[0] == ids[1] != ids[2]


def test_empty_lines_and_comments_are_no_events(at: datetime) -> None:
    assert [parser().parse(line, 0, at) for line in (b"", b"  ", b"# a comment")] == [None, None, None]
