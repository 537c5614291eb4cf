"""What a matcher may be compared with: the obvious reading of every line, and SQL; and how candidates are verified."""

import ipaddress
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson

from mithaq.detection.reach import Reach
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.observable import Observable
from mithaq.telemetry.model import Format, Source
from mithaq.telemetry.parsers.line import LineParser

_AT = datetime(2026, 11, 23, tzinfo=UTC)
_SOURCE = Source("benchmark", "", Format.AUTO, ACTUAL)


class Verifier:
    """Every indicator in a table of SQLite; decides exactly, a batch of lines with one statement."""

    def __init__(self, file: Path, wanted: list[tuple[str, str]]) -> None:
        self._file = file
        self._reach = Reach()
        self._reach.add(Observable("cidr", value) for kind, value in wanted if kind == "cidr")
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE indicators (observable TEXT PRIMARY KEY, row INTEGER) WITHOUT ROWID")
            rows = sorted((f"{kind}:{value}", row) for row, (kind, value) in enumerate(wanted))
            connection.executemany("INSERT INTO indicators VALUES (?, ?)", rows)
            connection.commit()

    @contextmanager
    def opened(self) -> Iterator[Callable[[list[bytes]], set[str]]]:
        """Give a function from lines to the identifiers of the events that satisfy an indicator."""
        parser = LineParser(_SOURCE)
        with closing(sqlite3.connect(self._file)) as connection:
            yield lambda lines: self._verified(connection, parser, lines)

    def _verified(self, connection: sqlite3.Connection, parser: LineParser, lines: list[bytes]) -> set[str]:
        asked: dict[str, set[str]] = {}
        for line in lines:
            event = parser.parse(line, 0, _AT)
            if event is None:
                continue
            name = _identifier(orjson.loads(line))
            for _, seen in event.observables:
                for satisfied in self._reach.satisfied(seen):
                    asked.setdefault(str(satisfied), set()).add(name)
        query = "SELECT observable FROM indicators WHERE observable IN (SELECT value FROM json_each(?))"
        found: set[str] = set()
        for (key,) in connection.execute(query, (json.dumps(list(asked)),)):
            found |= asked[key]
        return found


def _identifier(event: dict[str, Any]) -> str:
    return str(event.get("uid") or event["flow_id"])


class Naive:
    """One dictionary, and a loop that decodes every line and looks at the fields it knows."""

    def __init__(self, wanted: list[tuple[str, str]]) -> None:
        self._exact = {value: row for row, (kind, value) in enumerate(wanted) if kind != "cidr"}
        self._networks: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for kind, value in wanted:
            if kind == "cidr":
                network = ipaddress.ip_network(value)
                shifted = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
                self._networks[network.version].setdefault(network.prefixlen, set()).add(shifted)

    def finds(self, lines: Path) -> set[str]:
        """Return the identifiers of the events that satisfy an indicator."""
        with lines.open("rb") as file:
            return {_identifier(event) for event in map(orjson.loads, file) if self._matches(event)}

    def _matches(self, event: dict[str, Any]) -> bool:
        get = event.get
        if self._address(get("id.orig_h") or event["src_ip"]) or self._address(get("id.resp_h") or event["dest_ip"]):
            return True
        match get("_path"):
            case "dns":
                return self._name(event["query"]) or any(map(self._host, get("answers") or ()))
            case "http":
                return self._host(event["host"]) or f"http://{event['host']}{event['uri']}" in self._exact
            case "ssl":
                return self._name(event["server_name"]) or event["ja3"] in self._exact or event["ja4"] in self._exact
            case "files":
                return any(event[kind].lower() in self._exact for kind in ("md5", "sha1", "sha256"))
            case "smtp":
                senders = [event["mailfrom"], *event["rcptto"]]
                return any(each in self._exact or self._name(each.partition("@")[2]) for each in senders)
            case _:
                return self._in_eve(event)

    def _in_eve(self, event: dict[str, Any]) -> bool:
        if dns := event.get("dns"):
            return self._name(dns["rrname"]) or any(self._host(each["rdata"]) for each in dns["answers"])
        if tls := event.get("tls"):
            hashes = (tls["ja3"]["hash"], tls["ja4"], tls["fingerprint"])
            return self._name(tls["sni"]) or any(each in self._exact for each in hashes)
        return False

    def _host(self, value: str) -> bool:
        return self._address(value) if value[-1:].isdigit() or ":" in value else self._name(value)

    def _name(self, value: str) -> bool:
        name = value.lower().rstrip(".")
        while name not in self._exact:
            name = name.partition(".")[2]
            if not name:
                return False
        return True

    def _address(self, value: str) -> bool:
        if value in self._exact:
            return True
        if ":" in value:
            address = ipaddress.ip_address(value)
            return str(address) in self._exact or self._inside(int(address), 128, 6)
        first, second, third, fourth = map(int, value.split("."))
        return self._inside(first << 24 | second << 16 | third << 8 | fourth, 32, 4)

    def _inside(self, number: int, bits: int, version: int) -> bool:
        return any(number >> (bits - length) in held for length, held in self._networks[version].items())


_COLUMNS = (
    "{uid:'VARCHAR',flow_id:'BIGINT','id.orig_h':'VARCHAR','id.resp_h':'VARCHAR',src_ip:'VARCHAR',dest_ip:'VARCHAR',"
    "query:'VARCHAR',answers:'VARCHAR[]',host:'VARCHAR',uri:'VARCHAR',server_name:'VARCHAR',ja3:'VARCHAR',ja4:'VARCHAR',"
    "md5:'VARCHAR',sha1:'VARCHAR',sha256:'VARCHAR',mailfrom:'VARCHAR',rcptto:'VARCHAR[]',"
    "dns:'STRUCT(rrname VARCHAR, answers STRUCT(rdata VARCHAR)[])',"
    "tls:'STRUCT(sni VARCHAR, fingerprint VARCHAR, ja4 VARCHAR, ja3 STRUCT(hash VARCHAR))'}"
)
_EVENTS = """CREATE TEMP TABLE ev AS SELECT coalesce(uid, flow_id::VARCHAR) k, coalesce("id.orig_h", src_ip) src,
 coalesce("id.resp_h", dest_ip) dst,
 rtrim(lower(coalesce(query, server_name, host, dns.rrname, tls.sni, split_part(mailfrom, '@', 2))), '.') dom,
 coalesce(answers, list_transform(dns.answers, lambda x: x.rdata)) ans, 'http://' || host || uri url,
 lower(coalesce(md5, ja3, tls.ja3.hash)) h1, lower(coalesce(sha1, ja4, tls.ja4)) h2,
 lower(coalesce(sha256, tls.fingerprint)) h3, lower(mailfrom) em, rcptto rcpt
 FROM read_json('{file}', format='newline_delimited', columns={columns})"""
_BAD_VALUES = """CREATE TEMP TABLE vals AS SELECT DISTINCT v FROM (SELECT src v FROM ev UNION ALL SELECT dst FROM ev
 UNION ALL SELECT dom FROM ev UNION ALL SELECT unnest(ans) FROM ev) WHERE v IS NOT NULL;
CREATE TEMP TABLE v4 AS SELECT v, n4(v) n FROM vals WHERE regexp_full_match(v, '[0-9]{1,3}(\\.[0-9]{1,3}){3}');
CREATE TEMP TABLE bad AS SELECT v FROM vals WHERE v IN (SELECT v FROM exact)
 UNION SELECT v FROM (SELECT v, unnest(list_transform(range(1, len(l)), lambda i: array_to_string(l[i:], '.'))) s FROM
 (SELECT v, string_split(v, '.') l FROM vals WHERE v NOT IN (SELECT v FROM v4) AND NOT contains(v, ':')))
 WHERE s IN (SELECT v FROM exact)"""
_HITS = """SELECT DISTINCT k FROM (SELECT k FROM ev WHERE src IN (FROM bad) OR dst IN (FROM bad) OR dom IN (FROM bad)
 UNION ALL SELECT k FROM (SELECT k, unnest(ans) a FROM ev WHERE ans IS NOT NULL) WHERE a IN (FROM bad)
 UNION ALL SELECT k FROM ev WHERE url IN (FROM exact) UNION ALL SELECT k FROM ev WHERE h1 IN (FROM exact)
 UNION ALL SELECT k FROM ev WHERE h2 IN (FROM exact) UNION ALL SELECT k FROM ev WHERE h3 IN (FROM exact)
 UNION ALL SELECT k FROM ev WHERE em IN (FROM exact)
 UNION ALL SELECT k FROM (SELECT k, unnest(rcpt) a FROM ev WHERE rcpt IS NOT NULL) WHERE a IN (FROM exact))"""


class DuckDb:
    """The script that an analyst would write: the indicators in tables, the file through `read_json`."""

    def __init__(self, folder: Path, wanted: list[tuple[str, str]]) -> None:
        self._db = duckdb.connect()
        self._db.execute("SET threads=2; SET preserve_insertion_order=false; SET enable_progress_bar=false")
        listed = folder / "indicators.tsv"
        listed.write_text("".join(f"{kind}\t{value}\n" for kind, value in wanted), "utf-8")
        self._db.execute(
            f"CREATE TABLE ind AS SELECT * FROM read_csv('{listed}', delim='\t', header=false, quote='', escape='',"
            " columns={'t': 'VARCHAR', 'v': 'VARCHAR'});"
            "CREATE TABLE exact AS SELECT v FROM ind WHERE t <> 'cidr';"
            "CREATE MACRO n4(s) AS (split_part(s,'.',1)::UBIGINT*16777216+split_part(s,'.',2)::UBIGINT*65536"
            "+split_part(s,'.',3)::UBIGINT*256+split_part(s,'.',4)::UBIGINT);"
            "CREATE TABLE net AS SELECT split_part(v,'/',2)::INT p,"
            " n4(split_part(v,'/',1)) >> (32 - split_part(v,'/',2)::INT) m"
            " FROM ind WHERE t='cidr' AND NOT contains(v,':')"
        )
        self._v6 = {value for kind, value in wanted if kind == "ipv6"}
        self._n6: dict[int, set[int]] = {}
        for network in (ipaddress.IPv6Network(v) for kind, v in wanted if kind == "cidr" and ":" in v):
            held = self._n6.setdefault(network.prefixlen, set())
            held.add(int(network.network_address) >> (128 - network.prefixlen))

    def finds(self, lines: Path) -> set[str]:
        """Return the identifiers of the events that satisfy an indicator."""
        for table in ("ev", "vals", "v4", "bad"):
            self._db.execute(f"DROP TABLE IF EXISTS {table}")
        self._db.execute(_EVENTS.replace("{file}", str(lines)).replace("{columns}", _COLUMNS))
        self._db.execute(_BAD_VALUES)
        for (length,) in self._db.execute("SELECT DISTINCT p FROM net").fetchall():
            self._db.execute(
                f"INSERT INTO bad SELECT v FROM v4 WHERE (n >> {32 - length}) IN (SELECT m FROM net WHERE p={length})"
            )
        six = [row[0] for row in self._db.execute("SELECT v FROM vals WHERE contains(v, ':')").fetchall()]
        if bad := [(each,) for each in six if self._is_bad(each)]:
            self._db.executemany("INSERT INTO bad VALUES (?)", bad)
        return {row[0] for row in self._db.execute(_HITS).fetchall()}

    def _is_bad(self, text: str) -> bool:
        address = ipaddress.ip_address(text)
        inside = any(int(address) >> (128 - length) in held for length, held in self._n6.items())
        return str(address) in self._v6 or inside
