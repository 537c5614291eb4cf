"""One nation's pages on a real port, with a lived-in world behind them: partners, agreement, releases, refusals."""

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

from mithaq.detection.hits.record import record_hits
from mithaq.detection.questions import store as questions
from mithaq.detection.questions.model import Answer, Row, State
from mithaq.exchange.event_versions import keep_event
from mithaq.exchange.pushing import store as pushed
from mithaq.exchange.pushing.model import Last, Went
from mithaq.exchange.sources import store as sources
from mithaq.exchange.sources.model import Unfit
from mithaq.exchange.taxii.partners.shelving import PartnerShelving
from mithaq.intelligence.imports.inbox import Inbox, InboxSettings
from mithaq.intelligence.imports.yara import import_yara
from mithaq.intelligence.model import ImportTerms, ReleaseInstruction
from mithaq.kernel import journal
from mithaq.kernel.clock import SystemClock, rfc3339
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.response.sensors.model import SensorKind
from mithaq.standards.tlp import Tlp
from mithaq.telemetry import store as telemetry
from mithaq.telemetry.health import Looked
from mithaq.telemetry.lake.question import Condition, Operator, Question
from mithaq.telemetry.model import Format
from mithaq.web.app import create_app
from tests.contradicting import contradict
from tests.country import Country, alliance, deliver
from tests.doors import answering
from tests.pages import link_of, node_of
from tests.scanned import scan_all
from tests.sight import hit_of
from tests.trusting import Troubled
from tests.world import XA, XB, XC, Treaty

HOSTILE = '"><img src=x onerror="document.title=1"><script>document.title=2</script>\u202egnp.exe'

ANSWER = "answer--00000000-0000-4000-8000-000000000001"


@dataclass
class Served:
    """A node that answers on loopback."""

    port: int
    node: Node
    countries: list[Country]

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def link(self, *roles: Role, name: str = "Layla") -> str:
        secret = link_of(self.node, *(roles or tuple(Role)), name=name)
        return f"{self.url}/link?t={secret}"


def lived_in(folder: Path, at: datetime) -> list[Country]:
    """Three nations; the first has found, received, released and withheld things."""
    treaty = Treaty(at)
    countries = alliance(folder, (XA, XB, XC), at, treaty)
    first, second, third = countries
    for country in countries:
        country.order(treaty, at - timedelta(hours=1))
    for number in range(1, 9):
        first.add(number, at - timedelta(minutes=60 - number), name=f"Implant beacon of the quiet crane {number}")
    first.add(20, at, tlp=Tlp.RED, name="وكيل قناة التحكم في شبكة الطاقة", description="شوهد في محطتين")
    named = ReleaseInstruction(treaty.agreement_id, (XB,), "research")
    first.add(21, at, name=HOSTILE, description=HOSTILE, to=named)
    for number in range(30, 34):
        second.add(number, at, name=f"Serveur d’hameçonnage n° {number}")
    third.add(40, at, name="Phishing domain seen at a ministry")
    for one in countries:
        for other in countries:
            if one is not other:
                deliver(one, other, at)
    Troubled(countries, at).live()
    contradict(countries, at)
    with first.db.write(at) as tx:
        record_hits(tx, [hit_of(first, 1, 30, at), hit_of(first, 2, 1, at)])
    return countries


def serve_telemetry(node: Node, at: datetime) -> None:
    """Add a source that fell silent, changed and wrote what nobody can read, and one that is as usual."""
    for name in ("dns", "proxy"):
        node.telemetry.add_source(name, path="", line_format=Format.AUTO, by="operator", at=at)
    looked = Looked()
    for number in range(300):
        looked.learn("proxy", {"url": "x", **({"client_address": "y"} if number < 150 else {})})
    looked.note("not valid JSON", HOSTILE.encode() * 3)
    for minutes in range(60, 40, -1):
        with node.db.write(at - timedelta(minutes=minutes)) as tx:
            telemetry.count_lines(tx, "proxy", lines=2, events=1, broken=1)
            telemetry.save_looked(tx, "proxy", looked, event_at=tx.at - timedelta(seconds=5), read_at=tx.at)
    with node.db.write(at) as tx:
        telemetry.count_lines(tx, "dns", lines=90_000, events=90_000, broken=0)


def serve_constituents(node: Node) -> None:
    """Two constituents, a collection for both of them, and an account."""
    at = node.clock.now()
    names = {"en": "National Grid", "ar": "الشبكة الوطنية للكهرباء", "fr": "Réseau national"}
    node.constituents.add("grid-operator", names, ["energy"], "soc@grid.example, +1 555 0100", at)
    node.constituents.add(
        "central-bank", {"en": "Central Bank"}, ["financial-services"], HOSTILE.replace("\u202e", ""), at
    )
    audience = ("grid-operator", "central-bank")
    node.collections.add("national-feed", "National feed", at, audience=audience, can_write=True)
    node.collections.add("to-block", "قائمة الحجب", at, types=("indicator",), labels=("phishing",))
    node.collections.add_account("grid-operator", "SIEM", timedelta(days=90), at, collection="national-feed")


def follow_sources(node: Node) -> None:
    """A source that was never fetched, one that is paused, and one that failed and put things aside."""
    at = node.clock.now()
    for name, kind in (("osint", "misp-feed"), ("vendor", "taxii"), ("partner-cert", "list")):
        node.sources.add(name, kind, f"https://{name}.example/", at, collection="c" if kind == "taxii" else "")
    node.sources.pause("vendor", at)
    failed, why = (
        node.sources.get("partner-cert").source,
        Reason("too-deep", "nested deeper than %(max)s levels", {"max": 64}),
    )
    with node.db.write(at) as tx:
        sources.change(tx, failed.id, failures=3, reason=why.as_json())
        sources.put_aside(tx, failed.id, [Unfit(HOSTILE[:80], b"{}", why)])


def receive_reports(node: Node) -> None:
    """A report that waits, one that was read, and one that could not be."""
    inbox, terms = Inbox(node.holdings, node.warning_lists, keep_event), ImportTerms(node.nation, ACTUAL)
    texts = {
        "تحذير: نطاقات تصيّد جديدة": "رُصد login[.]post-rimal[.]example ثم 203[.]0[.]113[.]77\nانظر http://8.8.8.8/",
        HOSTILE.replace("\u202e", ""): "evil[.]example",
    }
    for number, (subject, text) in enumerate(texts.items()):
        message = EmailMessage()
        message["From"], message["Message-ID"] = "cert@partner.example", f"<{number}@partner.example>"
        message["Subject"] = subject
        message.set_content(text)
        message.add_attachment(b"{}", maintype="application", subtype="json", filename="bundle.json")
        inbox.take(message.as_bytes(), f"{number}.eml", InboxSettings(), terms, node.clock.now())
    inbox.close(2, node.clock.now())
    inbox.take(None, "far-too-large.eml", InboxSettings(), terms, node.clock.now())


def push_to_constituents(node: Node) -> None:
    """A target that took one event and not another, and one to which nothing was pushed yet."""
    at = node.clock.now()
    for who in ("grid-operator", "central-bank"):
        node.push_targets.add(who, f"https://misp.{who}.example/", "k" * 40, at, by="operator")
    why = Reason("event-not-taken", "it does not take the event: status %(status)s", {"status": 403})
    uuids = [f"5b8f0b1e-1234-4abc-8def-0000000000e{number}" for number in range(3)]
    failed = (Went(uuids[1], "failed", why),)
    with node.db.write(at) as tx:
        found = pushed.find(tx.connection, "grid-operator")
        assert found is not None
        pushed.note(tx, "grid-operator", uuids[0], int(at.timestamp()))
        pushed.note_last(tx, found[0], Last(at, 1, 3, 1, (uuids[2],), failed, None))


def give_programs(node: Node) -> None:
    """Programs of a partner that read over TAXII: one in use, one whose account was revoked; part is withheld."""
    at = node.clock.now()
    agreement = Treaty(at).agreement_id
    node.partner_accounts.add(XB, agreement, "OpenCTI", timedelta(days=90), at)
    _, account, _ = node.partner_accounts.add(XB, agreement, HOSTILE.replace("\u202e", ""), timedelta(days=9), at)
    node.partner_accounts.revoke(account.id, at)
    shelving = PartnerShelving(node.channel, node.clock.now)
    reader = shelving.reader()
    while journal.run_once(node.db, reader, at) or shelving.fill(at):
        pass


def hunt_in_the_lake(node: Node) -> None:
    """A saved hunt, and an answer that reached its limit and could not read everything."""
    at = node.clock.now()
    asked = Question(
        values=("evil.example", "192.0.2.0/24"),
        conditions=(Condition("process.command_line", Operator.CONTAINS, HOSTILE),),
        sources=("dns",),
        last_hours=48,
    ).checked()
    node.questions.save("من تكلّم مع خادم التحكم؟", asked, by="person--1", at=at, every_hours=24)
    answer = Answer(ANSWER, "من تكلّم مع خادم التحكم؟", asked, "person--1", at, State.DONE, 3, 3, 2, 1, 900, "rows", at)
    lines = (HOSTILE.encode(), b'{"query": "' + b"a" * 300 + b'.evil.example"}')
    with node.db.write(at) as tx:
        questions.add_answer(tx, answer)
        rows = [Row(n, f"event--{n}", rfc3339(at), "dns", "zeek.dns", line) for n, line in enumerate(lines, 1)]
        questions.add_rows(tx, ANSWER, rows)


def have_files_scanned(node: Node) -> None:
    """A file whose name is hostile and that a rule is true of, and one that waits."""
    at = node.clock.now()
    rule = b'rule Heron { strings: $a = "quiet heron" condition: $a }'
    terms = ImportTerms(node.nation, ACTUAL, tlp=Tlp.GREEN)
    import_yara(node.holdings, [("heron.yar", rule)], terms=terms, at=at, check=lambda _: None)
    node.files.upload(BytesIO(b"the quiet heron").read, name=HOSTILE, by="person--1", at=at)
    scan_all(node, at + timedelta(minutes=2))
    node.files.upload(BytesIO(b"later").read, name="later", by="person--1", at=at)


def give_sensors(node: Node) -> None:
    """A sensor that has pulled nothing yet, and one of a constituent that has."""
    at = node.clock.now()
    node.sensors.add("border-1", SensorKind.ZEEK, None, timedelta(days=9), at)
    node.sensors.add("grid-resolver", SensorKind.RESOLVER, "grid-operator", timedelta(days=9), at)
    node.sensors.refresh_all(at)
    account = next(each for each in node.constituents.accounts("grid-operator") if each.name == "grid-resolver")
    node.sensors.fetch(account, "grid-resolver", None, at)


@contextmanager
def serve(folder: Path, port: int = 0) -> Iterator[Served]:
    """Serve the first nation's pages until the block ends."""
    countries = lived_in(folder, datetime.now(UTC).replace(microsecond=0))
    node = node_of(countries[0], folder, SystemClock())
    serve_constituents(node)
    serve_telemetry(node, node.clock.now())
    follow_sources(node)
    receive_reports(node)
    push_to_constituents(node)
    give_programs(node)
    hunt_in_the_lake(node)
    give_sensors(node)
    have_files_scanned(node)
    with answering(create_app(node), port) as address:
        yield Served(int(address.rpartition(":")[2]), node, countries)
    for country in countries:
        country.db.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, serve(Path(place), int(sys.argv[1])) as served:
        sys.stdout.write(f"{served.link()}\n")
        sys.stdout.flush()
        threading.Event().wait()
