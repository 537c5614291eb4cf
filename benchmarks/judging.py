"""What a judgement costs where many objects are judged for one recipient at one instant: a sensor's pull.

A constituent's Suricata fetches its bundle, and nothing has changed since the last one; half of the indicators are this
nation's own, half came from a partner under its terms. Beside it, in turns, the same indicators are asked about one by
one, each read whole, as `mithaq blocklist why` and the planner do: same gate, same verdicts. The sizes differ by a
factor of ten, so that what grows faster than the number shows.
"""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.measure import Result, Size, in_turns
from benchmarks.taxii import OWN, context_of
from mithaq.agreements.model import Reference
from mithaq.exchange.context import Context
from mithaq.exchange.items import item_of
from mithaq.exchange.store import Vetoes
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel import canonical
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.constituents.model import Account
from mithaq.nations.constituents.service import Constituents
from mithaq.node.schema import metadata
from mithaq.release.model import Carried, Recipient, Request
from mithaq.release.rules import decide
from mithaq.response.sensors.contents import Writer
from mithaq.response.sensors.model import DETECTING, SensorKind
from mithaq.response.sensors.service import Sensors
from mithaq.response.service import Blocklists
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
PARTNER = NationId("XB")
OWNER = Recipient("constituent", "grid-operator")
_CHUNK = 5_000
_DAYS = timedelta(days=30)


def measure(size: Size, options: object) -> Result:
    """Return the processor time an object of a pull, and how many times more one by one takes, for each size."""
    del options
    figures: dict[str, float] = {}
    runs = size.of(3, 3, 5)
    with tempfile.TemporaryDirectory(prefix="mithaq-judging-") as folder:
        db = Database.open(f"sqlite:///{Path(folder) / 'mithaq.db'}", run_dir=Path(folder))
        metadata.create_all(db.engine)
        context = context_of(db)
        sensors, account = _sensor(context, Path(folder))
        held = 0
        for number in {"quick": (1_000,), "small": (10_000,), "full": (10_000, 100_000)}[size.name]:
            _grow(context, held, number)
            held = number
            contenders = {
                "pull": lambda: sensors.fetch(account, "border", None, AT),
                "one by one": lambda: _one_by_one(context),
            }
            taken = in_turns(contenders, runs)
            name = f"{number // 1000}k"
            figures[f"pull_cpu_us_per_object_{name}"] = 1e6 * taken["pull"] / number
            figures[f"pull_cpu_s_{name}"] = taken["pull"]
            figures[f"one_by_one_to_pull_{name}"] = taken["one by one"] / taken["pull"]
        db.close()
    return Result(figures, runs)


def _sensor(context: Context, folder: Path) -> tuple[Sensors, Account]:
    """Name a constituent and its sensor."""
    constituents, lists = Constituents(context.db), WarningLists(folder / "lists")
    constituents.add(OWNER.id, {"en": "Grid"}, [], "soc@grid.example", AT)
    blocklists = Blocklists(context.db, context.holdings, OWN, lists)
    writer = Writer(OWN, "cert.example", blocklists.settings)
    sensors = Sensors(
        context.db, writer, blocklists, constituents, context.agreements, context.signer, {"en": "Nation"}
    )
    sensor, _ = sensors.add("border", SensorKind.SURICATA, OWNER.id, _DAYS, AT)
    return sensors, next(each for each in constituents.accounts(OWNER.id) if each.id == sensor.account)


def _grow(context: Context, first: int, end: int) -> None:
    for start in range(first, end, _CHUNK):
        new = list(_indicators(start, min(start + _CHUNK, end)))
        with context.db.write(AT) as tx:
            context.holdings.store(tx, new)


def _indicators(first: int, end: int) -> Iterator[NewObject]:
    terms = Carried(
        PARTNER, Reference("agreement--1", 1, "0" * 64), Tlp.GREEN, Pap.GREEN, frozenset({"defence"}), "none",
        frozenset(), Tlp.GREEN, AT + _DAYS, permitted_action=4,
    ).as_json()  # fmt: skip
    own = Provenance.own(OWN, AT, Tlp.GREEN, Pap.GREEN)
    theirs = Provenance("partner", PARTNER, "agreement--1", 1, "release--1", "defence", Tlp.GREEN, Pap.GREEN, terms, AT)
    for number in range(first, end):
        body = _body(number)
        yield NewObject(body, stix.parse(body), ACTUAL, theirs if number % 2 else own)


def _body(number: int) -> bytes:
    value = (
        f"domain-name:value = 'host-{number}.evil{number % 97}.com'",
        f"ipv4-addr:value = '{11 + number // 65536 % 80}.{number // 256 % 256}.{number % 256}.7'",
        f"url:value = 'http://host-{number}.evil.com/path/{number}'",
        f"file:hashes.'SHA-256' = '{number:064x}'",
    )[number % 4]
    return canonical.dumps(
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
            "created": rfc3339(AT),
            "modified": rfc3339(AT),
            "name": f"Beacon {number} of the quiet crane",
            "pattern": f"[{value}]",
            "pattern_type": "stix",
            "valid_from": rfc3339(AT),
            "valid_until": rfc3339(AT + _DAYS),
            "labels": ["PAP:GREEN"],
            "object_marking_refs": [Tlp.GREEN.marking_id],
        }
    )


def _one_by_one(context: Context) -> None:
    """Ask the gate about every active indicator by itself, read whole; nothing is written of it."""
    with context.db.read() as connection:
        vetoes, after = Vetoes(connection), 0
        while page := context.holdings.active_indicators(connection, AT, after, 1_000):
            for stored in page:
                vetoed = vetoes.holds(stored.stix.id, str(OWNER))
                item = item_of(stored, OWN)
                decide(Request(item, OWN, OWNER, True, None, "defence", vetoed=vetoed, action=DETECTING), AT)
            after = page[-1].row
