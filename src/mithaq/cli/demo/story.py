"""What happens in the demonstration, step by step, on three real nodes."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from mithaq.cli.demo import attack
from mithaq.cli.demo.attack import Discovery
from mithaq.cli.demo.nodes import SENSOR, DemoFailed, DemoNode
from mithaq.detection.model import Hit
from mithaq.exchange import ledger
from mithaq.exchange.recalling import take_back
from mithaq.exchange.receipt import RECEIPT_TYPE
from mithaq.intelligence.imports.text import IndicatorTerms, own_indicators
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.kernel.signing import verify
from mithaq.kernel.wake import WakeListener
from mithaq.node.composition import Node
from mithaq.release.model import Recipient
from mithaq.response.model import ListFormat
from mithaq.telemetry.model import Format

ANALYST = "person--demonstration-analyst"
DUTY_OFFICER = "person--demonstration-duty-officer"
DEADLINE_S = 20.0
_PULSE_S = 0.03
_EVERYDAY_S = 0.25
_ALL_HITS = 10_000
RESOLVER = Recipient("sensor", "resolver")

Tell = Callable[..., None]


@dataclass
class Stage:
    """One nation on stage: its running node and this process's hands on it."""

    demo: DemoNode
    node: Node

    @property
    def code(self) -> NationId:
        """Return the nation's code."""
        return self.demo.nation.code

    def hit_of(self, indicator_id: str, lane: Lane = ACTUAL) -> Hit | None:
        """Return a hit of an indicator, if there is one."""
        with self.node.db.read() as connection:
            hits = self.node.detection.hits(connection, lane, limit=1, indicator_id=indicator_id).hits
        return hits[0] if hits else None

    def hit_count(self) -> int:
        """Return how many operational hits there are."""
        with self.node.db.read() as connection:
            counted = self.node.detection.counts(connection)
        return counted.new + counted.confirmed + counted.dismissed

    def has_operational(self, value: str) -> bool:
        """Tell whether this nation blocks a value now or has an operational hit of it."""
        with self.node.db.read() as connection:
            hits = self.node.detection.hits(connection, limit=_ALL_HITS).hits
        return value in self.blocklist().decode() or any(value in hit.sight.values for hit in hits)

    def blocklist(self, list_format: ListFormat = ListFormat.PLAIN) -> bytes:
        """Return what the resolver of this nation is to block now."""
        at = self.node.clock.now()
        return self.node.blocklists.publish(self.node.blocklists.build(RESOLVER, at), list_format, DUTY_OFFICER, at)


@dataclass
class Score:
    """What the demonstration measured."""

    protection_ms: list[float] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    receipts_verified: int = 0
    receipts_missing: int = 0


class Story:
    """The attack on the first nation and what its partners gain by their agreement."""

    def __init__(self, stages: Sequence[Stage], tell: Tell) -> None:
        self.stages = stages
        self.first, *self.partners = stages
        self.tell = tell
        self.score = Score()
        self._everyday = threading.Event()

    def play(self) -> Score:
        """Play all steps and return what was measured.

        Raises:
            DemoFailed: a step did not come to its end in time.
        """
        traffic = threading.Thread(target=self._everyday_traffic, daemon=True)
        traffic.start()
        try:
            self._discover()
            self._keep_what_must_stay()
            self._sighting_returns()
            self._block()
            self._withdraw()
            self._exercise()
            self._settle()
        finally:
            self._everyday.set()
            traffic.join(5)
        return self.score

    def _everyday_traffic(self) -> None:
        while not self._everyday.wait(_EVERYDAY_S):
            for stage in self.stages:
                at = stage.node.clock.now()
                stage.node.telemetry.push(SENSOR, attack.everyday_events(stage.demo.nation, 5, at))

    def _discover(self) -> None:
        self.tell("attack", nation=self.first.code)
        for discovery in attack.SHARED:
            at = self.first.node.clock.now()
            self.first.node.telemetry.push(
                SENSOR, attack.attack_event(discovery.observable, self.first.demo.nation, at)
            )
        for discovery in attack.SHARED:
            indicator_id = add_indicator(self.first.node, discovery)
            self.score.shared.append(indicator_id)
            self.tell("found", value=discovery.observable.value, name=discovery.names, tlp=discovery.tlp.label)
            for partner, ms in self.protected(discovery, indicator_id):
                self.score.protection_ms.append(ms)
                self.tell("protected", nation=partner.code, value=discovery.observable.value, ms=round(ms))

    def protected(self, discovery: Discovery, indicator_id: str) -> list[tuple[Stage, float]]:
        """Let the attack reach every partner until each detects it; return the milliseconds each took."""
        began = time.perf_counter()
        done: dict[NationId, float] = {}
        threads = [
            threading.Thread(target=self._until_hit, args=(stage, discovery, indicator_id, began, done))
            for stage in self.partners
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        missing = [stage.code for stage in self.partners if stage.code not in done]
        if missing:
            raise DemoFailed(
                "%(nation)s did not detect %(value)s in time",
                nation=", ".join(missing),
                value=discovery.observable.value,
            )
        return [(stage, done[stage.code]) for stage in self.partners]

    def _until_hit(
        self, stage: Stage, discovery: Discovery, indicator_id: str, began: float, done: dict[NationId, float]
    ) -> None:
        node = stage.node
        with WakeListener(node.run_dir, "demo", ("detection.hit",)) as listener:
            while time.perf_counter() - began < DEADLINE_S:
                node.telemetry.push(
                    SENSOR, attack.attack_event(discovery.observable, stage.demo.nation, node.clock.now())
                )
                pulse_ends = time.perf_counter() + _PULSE_S
                while (left := pulse_ends - time.perf_counter()) > 0:
                    listener.wait(left)
                    if stage.hit_of(indicator_id):
                        done[stage.code] = (time.perf_counter() - began) * 1000
                        return

    def _keep_what_must_stay(self) -> None:
        names: dict[str, Mapping[str, str]] = {}
        for discovery in attack.KEPT:
            indicator_id = add_indicator(self.first.node, discovery)
            self.score.kept.append(indicator_id)
            names[indicator_id] = discovery.names
        self.wait_for("the private log of refusals", lambda: len(self._refusals()) >= len(attack.KEPT) * 2)
        for refusal in self._refusals():
            self.tell("withheld", value=names[refusal.object_id], nation=refusal.nation, reasons=refusal.reasons)

    def _refusals(self) -> list[ledger.Refusal]:
        with self.first.node.db.read() as connection:
            return [each for kept in self.score.kept for each in ledger.withheld(connection, object_id=kept)]

    def _sighting_returns(self) -> None:
        partner = self.partners[0]
        hit = partner.hit_of(self.score.shared[1])
        if hit is None:
            raise DemoFailed("there is no hit to confirm", subject=partner.code)
        sighting = partner.node.detection.confirm(hit.hit_id, DUTY_OFFICER, partner.node.clock.now())
        self.tell("confirmed", nation=partner.code, value=attack.BEACON)
        self.wait_for("the sighting", lambda: self._holds(self.first, sighting))
        self.tell("sighted", nation=partner.code, first=self.first.code)

    def _block(self) -> None:
        for partner in self.partners:
            entries = partner.blocklist().decode().count("\n")
            self.tell("blocklist", nation=partner.code, lines=entries)

    def _withdraw(self) -> None:
        indicator_id = add_indicator(self.first.node, attack.WRONG)
        for partner in self.partners:
            self.wait_for("the object at a partner", partial(self._holds, partner, indicator_id))
        with self.first.node.db.write(self.first.node.clock.now()) as tx:
            take_back(tx, self.first.node.holdings, indicator_id, ACTUAL, self.first.code, "false positive")
        self.tell("withdrawn", nation=self.first.code, value=attack.MISTAKE)
        for partner in self.partners:
            self.wait_for("the withdrawal", partial(self._fell, partner, indicator_id))
        self.tell("withdrawal-known", value=attack.MISTAKE)

    def _exercise(self) -> None:
        lane = Lane(new_id("exercise"))
        self.tell("exercise", nation=self.first.code, value=attack.DRILL, lane=str(lane))
        indicator_id = add_indicator(self.first.node, attack.INJECT, lane)
        for partner in self.partners:
            self.wait_for("the inject", partial(self._holds, partner, indicator_id, lane))
            self._drill(partner, lane, indicator_id)
        for stage in self.stages:
            if stage.has_operational(attack.DRILL) or self._holds(stage, indicator_id):
                raise DemoFailed("an exercise moved something operational", subject=stage.code)
        self.tell("exercise-stayed", count=len(self.partners))

    def _drill(self, partner: Stage, lane: Lane, indicator_id: str) -> None:
        """Let the same event reach a partner's ordinary sensor, where it is nothing, and its exercise sensor."""
        node = partner.node
        at = node.clock.now()
        node.telemetry.add_source("drill", path="", line_format=Format.AUTO, by=DUTY_OFFICER, at=at, lane=lane)
        event = attack.attack_event(attack.INJECT.observable, partner.demo.nation, at)
        node.telemetry.push(SENSOR, event)
        node.telemetry.push("drill", event)
        self.wait_for("the exercise's hit", lambda: partner.hit_of(indicator_id, lane) is not None)

    def _settle(self) -> None:
        """Wait for the receipts, then verify each with its signer's key."""
        self.wait_for("the receipts", lambda: not any(self._unreceipted(stage) for stage in self.stages))
        for stage in self.stages:
            with stage.node.db.read() as connection:
                keys = {each.nation: each.card.verify_key for each in stage.node.partners.all(connection)}
                for nation, receipt in ledger.receipts(connection):
                    verify(receipt, keys[nation], RECEIPT_TYPE)
                    self.score.receipts_verified += 1
            self.score.receipts_missing += self._unreceipted(stage)
        self.tell("receipts", count=self.score.receipts_verified)

    def _unreceipted(self, stage: Stage) -> int:
        with stage.node.db.read() as connection:
            partners = [partner.nation for partner in stage.node.partners.all(connection)]
            return sum(each.unreceipted + each.waiting for each in ledger.channels(connection, partners))

    def _holds(self, stage: Stage, object_id: str, lane: Lane = ACTUAL) -> bool:
        with stage.node.db.read() as connection:
            return bool(stage.node.holdings.get(connection, object_id, lane))

    def _fell(self, stage: Stage, object_id: str) -> bool:
        with stage.node.db.read() as connection:
            return not any(version.stands for version in stage.node.holdings.get(connection, object_id, ACTUAL))

    def wait_for(self, what: str, happened: Callable[[], bool], *, seconds: float = DEADLINE_S) -> None:
        """Wait until something has happened on a node.

        Raises:
            DemoFailed: it did not, in time.
        """
        deadline = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > deadline:
                raise DemoFailed("waited in vain for %(what)s", what=what)
            time.sleep(0.01)


def add_indicator(node: Node, discovery: Discovery, lane: Lane = ACTUAL) -> str:
    """Add an own indicator as `mithaq indicator add` does, and return its id."""
    at = node.clock.now()
    terms = IndicatorTerms(
        nation=node.nation,
        lane=lane,
        tlp=discovery.tlp,
        pap=discovery.pap,
        valid_until=at + timedelta(days=30),
        name=discovery.names["en"],
    )
    new = own_indicators([discovery.observable], terms, at)
    with node.db.write(at) as tx:
        node.holdings.store(tx, new)
    return new[0].stix.id
