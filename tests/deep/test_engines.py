import importlib.util
import random
import re
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pytest

from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.observable import Observable
from mithaq.telemetry.blocks import Parsed
from mithaq.telemetry.lake import hunting, sealing
from mithaq.telemetry.lake.finding import Wanted
from mithaq.telemetry.lake.layout import sealed_stem
from mithaq.telemetry.model import Format, Source
from tests.unit.telemetry.events import hunt

AT = datetime(2026, 11, 23, tzinfo=UTC)
EXERCISE = Lane("exercise--0b8f5e6c-9b0d-4d0a-8a51-7f1f5a1f2f10")
SEGMENTS, EVENTS = 6, 2_500
WANTED = [
    Observable("domain", "evil.example"),
    Observable("ipv4", "192.0.2.7"),
    Observable("cidr", "198.51.100.0/28"),
    Observable("cidr", "2001:db8:1::/48"),
    Observable("url", "http://bad.example/x"),
    Observable("domain", "absent.example"),
]


def parts(number: int) -> Iterator[Parsed]:
    chance = random.Random(number)
    seen = [
        ("query", Observable("domain", "a.b.evil.example")),
        ("query", Observable("domain", "notevil.example")),
        ("src", Observable("ipv4", "192.0.2.7")),
        ("src", Observable("ipv4", "198.51.100.9")),
        ("src", Observable("ipv4", "198.51.100.16")),
        ("src", Observable("ipv6", "2001:db8:1::f")),
        ("url", Observable("url", "http://bad.example/x")),
    ]
    for row in range(EVENTS):
        lane = EXERCISE if row % 500 >= 450 else ACTUAL
        place = number * EVENTS + row
        having = tuple(chance.sample(seen, 2)) if row % 50 == 9 or row % 70 == 0 else (seen[1],)
        record: dict[str, list[str]] = {}
        for field, each in having:
            record.setdefault(field, []).append(each.value)
        source = Source("zeek", "", Format.AUTO, lane)
        at = AT + timedelta(seconds=place)
        yield Parsed(source, [place], [at], ["dns"], [b"line %d" % place], [b""], [record])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    data = tmp_path_factory.mktemp("lake")
    stems = []
    for number in range(1, SEGMENTS + 1):
        stem = sealed_stem("zeek", number, AT + timedelta(hours=number // 3))
        sealing.seal(data, stem, number, parts(number))
        stems.append(stem)
    return data, stems


def wanted() -> list[Wanted]:
    return [Wanted(key, ACTUAL, each) for key, each in enumerate(WANTED)]


Hit = tuple[int, str, str, str]


def hits(rows: Iterable[dict[str, Any]]) -> set[Hit]:
    return {(row["key"], row["event_id"], row["seen"], row["lane"]) for row in rows}


def found_here(lake: tuple[Path, list[str]]) -> set[Hit]:
    found = list(hunt(lake[0], wanted(), lake[1]))
    return {(each.key, each.event.event_id, each.seen.value, each.event.lane.value) for each in found}


def asked_of(connection: Any, data: Path) -> Any:
    """Ask an engine as the recipe of `docs/outgrown.md` does."""
    tables = (connection.read_parquet(f"{data}/lake/hour=*/source=*/*.{name}.parquet") for name in ("events", "values"))
    return hunting.expression(*tables, wanted())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_whole_expression_and_the_hunt_of_one_machine_find_the_same(lake: tuple[Path, list[str]]) -> None:
    here = found_here(lake)
    assert {key for key, *_ in here} == {0, 1, 2, 3, 4}
    assert {lane for *_, lane in here} == {ACTUAL.value}
    connection = ibis.duckdb.connect()
    assert hits(asked_of(connection, lake[0]).to_pyarrow().to_pylist()) == here


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_recipe_runs_as_it_is_written(lake: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "outgrown.md").read_text("utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    program = program.replace("/srv/shared/lake", f"{lake[0]}/lake").replace(
        "ibis.pyspark.connect(spark)", "ibis.duckdb.connect()"
    )
    program = re.sub("(?m)^(from pyspark|spark = ).*$", "", program)
    exec(program, {})
    told = capsys.readouterr().out.splitlines()
    assert len(told) == sum(key in {0, 2} for key, *_ in found_here(lake))
    assert all("evil.example" in line or "198.51.100.9" in line for line in told)


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore")  # Spark's and its bridge's own
def test_spark_finds_what_duckdb_finds(lake: tuple[Path, list[str]], tmp_path: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java (Debian: openjdk-17-jre-headless)")
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("PySpark is not installed; `make test-engines` does that")
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.warehouse.dir", str(tmp_path / "warehouse"))
        .getOrCreate()
    )
    try:
        answer = asked_of(ibis.pyspark.connect(session), lake[0])
        assert hits(answer.to_pyarrow().to_pylist()) == found_here(lake)
    finally:
        session.stop()


@pytest.mark.parametrize("dialect", ["clickhouse", "trino"])
def test_other_engines_get_one_statement(lake: tuple[Path, list[str]], dialect: str) -> None:
    from mithaq.telemetry.lake.layout import EVENTS as EVENTS_SCHEMA
    from mithaq.telemetry.lake.layout import VALUES as VALUES_SCHEMA

    events = ibis.table(ibis.Schema.from_pyarrow(EVENTS_SCHEMA), name="events")
    values = ibis.table(ibis.Schema.from_pyarrow(VALUES_SCHEMA), name="values")
    sql = str(ibis.to_sql(hunting.expression(events, values, wanted()), dialect=dialect))
    assert "JOIN" in sql
    assert "segment" in sql
