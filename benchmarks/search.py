"""How long a search and a bulk look-up take among many objects: a million with `--full`.

The objects are made from a seed and stored as an import stores them, then the usual searches are asked in turn, each
time with other words or values, on SQLite and on PostgreSQL, for a page of 50 with its objects loaded. The look-up
answers 10,000 values in mixed spellings, half of them held. It is compared with the database alone:
`LIKE` over the bytes of every object, newest first, for a word that few objects have.
"""

import argparse
import gc
import random
import time
from collections.abc import Callable, Iterator
from functools import cache
from statistics import median, quantiles

from sqlalchemy import Connection, Text, cast, func, select, text

from benchmarks.holdings import AT, COMMON_WORD, DATABASES, RARE_EVERY, Maker, opened, vocabulary
from benchmarks.measure import Result, Size
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.tables import objects
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.memory import seldom_collected
from mithaq.standards import stix
from mithaq.standards.tlp import Tlp

PAGE = 50
BATCH = 1_000
_NATIONS = ("XA", "XB", "XC", "XD")
_LOOKED_UP = 10_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what this benchmark alone takes."""
    parser.add_argument("--objects", type=int, help="how many objects are held (default: by size)")
    parser.add_argument("--database", choices=DATABASES, help="only this one")


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Fill each database, then ask."""
    count = options.objects or size.of(3_000, 50_000, 1_000_000)
    rounds = size.of(5, 40, 100)
    figures: dict[str, float] = {"objects": count}
    peer: dict[str, float] = {}
    for kind in (options.database,) if options.database else DATABASES:
        with opened(kind) as db:
            began = time.perf_counter()
            _fill(db, count, size.seed)
            figures[f"{kind}_stored_per_s"] = count / (time.perf_counter() - began)
            holdings = Holdings(db)
            gc.collect()
            gc.freeze()  # what filling left is not this program's usual memory
            if kind == "postgresql":
                with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(text("VACUUM ANALYZE"))
            figures |= {f"{kind}_{name}": value for name, value in asked(holdings, count, rounds, size.seed).items()}
            figures[f"{kind}_lookup_10000_s"] = looked_up(holdings, count, size)
            peer[f"{kind}_rare_word_ms"] = _scanned(db)
    return Result(figures, rounds, {"scan": peer})


def _fill(db: Database, count: int, seed: int) -> None:
    maker, holdings = Maker(seed), Holdings(db)
    words = [
        Provenance("import", NationId(nation), None, None, None, None, tlp, None, {}, AT)
        for nation in _NATIONS
        for tlp in Tlp
    ]
    with seldom_collected():
        for start in range(0, count, BATCH):
            chunk = []
            for number in range(start, min(count, start + BATCH)):
                body = maker.body(number)
                chunk.append(
                    NewObject(body, stix.parse_fields(stix.fields_of(body)), ACTUAL, words[number % len(words)])
                )
            with db.write(AT) as tx:
                holdings.store(tx, chunk)


def asked(holdings: Holdings, count: int, rounds: int, seed: int) -> dict[str, float]:
    """Return p50 and p95 of each form of search and its processor time here, in milliseconds."""
    taken: dict[str, list[tuple[float, float]]] = {}
    with holdings.db.read() as connection:
        for _, query in _queries(
            random.Random(seed), count, seed, 10
        ):  # statements are compiled, tables of letters loaded
            _page(holdings, connection, query)
        for name, query in _queries(random.Random(seed + 1), count, seed, rounds):
            began, began_cpu = time.perf_counter(), time.process_time()
            _page(holdings, connection, query)
            spent = ((time.perf_counter() - began) * 1000, (time.process_time() - began_cpu) * 1000)
            taken.setdefault(name, []).append(spent)
    figures: dict[str, float] = {}
    for name, times in taken.items():
        figures[f"{name}_p50_ms"] = median(wall for wall, _ in times)
        figures[f"{name}_p95_ms"] = quantiles([wall for wall, _ in times], n=20)[-1]
        figures[f"{name}_cpu_ms"] = median(cpu for _, cpu in times)
    return figures


def _page(holdings: Holdings, connection: Connection, query: str) -> None:
    holdings.search(connection, query, ACTUAL, None, PAGE, at=AT)


def _queries(chance: random.Random, count: int, seed: int, rounds: int) -> Iterator[tuple[str, str]]:
    """Yield searches of what was made from a seed, by their form."""
    words = vocabulary(seed)
    forms: dict[str, Callable[[], str]] = {
        "all": lambda: "",
        "rare_word": lambda: f"rare{chance.randrange(min(count, RARE_EVERY)) // 7 * 7}",
        "frequent_word": lambda: chance.choice((COMMON_WORD, words[0], "énergie", "الهجوم")),
        "absent_word": lambda: f"absent{chance.randrange(1000)}",
        "type_word": lambda: f"type:report {words[chance.randrange(2000)]}",
        "two_words": lambda: f"{words[chance.randrange(500)]} {words[chance.randrange(500)]}",
        "value": lambda: spelled(chance, count, seed),
        "from_tlp": lambda: f"from:{chance.choice(_NATIONS)} tlp:{chance.choice(('red', 'green', 'amber'))}",
        "filters": lambda: f"type:indicator confidence>{chance.randrange(60, 99)} valid:yes -tlp:red seen:7d",
        "nothing_not": lambda: f"{COMMON_WORD} -{COMMON_WORD}",
    }
    for _ in range(rounds):
        for name, form in forms.items():
            yield name, form()


@cache
def _maker(seed: int) -> Maker:
    return Maker(seed)


def spelled(chance: random.Random, count: int, seed: int) -> str:
    """Return the value of a random object as some person might write it."""
    value = _maker(seed).value(chance.randrange(count))[1]
    match chance.randrange(4):
        case 0:
            return value.replace(".", "[.]").replace("http", "hxxp")
        case 1:
            return value.upper() if "://" not in value else value
        case 2:
            return value.replace(".", "(dot)", 1)
        case _:
            return value


def looked_up(holdings: Holdings, count: int, size: Size) -> float:
    """Return the seconds for 10,000 values in mixed spellings, half of them held."""
    chance = random.Random(size.seed + 2)
    held = [spelled(chance, count, size.seed) for _ in range(_LOOKED_UP // 2)]
    others = [f"absent{number}[.]example" for number in range(_LOOKED_UP // 2)]
    lines = [line for pair in zip(held, others, strict=True) for line in pair]
    taken = []
    for _ in range(size.of(1, 3, 5)):
        began = time.perf_counter()
        with holdings.db.read() as connection:
            answers = holdings.look_up(connection, lines, ACTUAL)
        taken.append(time.perf_counter() - began)
        if len(answers) != _LOOKED_UP or any(answer.observable is None for answer in answers):
            raise RuntimeError("not every line was answered")
    return median(taken)


def _scanned(db: Database) -> float:
    """Return the milliseconds of a look through every object for a rare word."""
    body = cast(objects.c.body, Text) if db.dialect == "sqlite" else func.convert_from(objects.c.body, "UTF8")
    query = select(objects.c.row).where(body.contains('rare7"')).order_by(objects.c.row.desc()).limit(PAGE)
    with db.read() as connection:
        began = time.perf_counter()
        connection.execute(query).all()
        return (time.perf_counter() - began) * 1000
