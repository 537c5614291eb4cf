"""Three nations that exchange, lose, repeat, revoke and crash in every order hypothesis can think of.

An oracle that knows nothing of the program's code says what may leave. Crashes are real: the transaction is rolled
back, or it is committed and nobody hears of it, and the country is opened anew from its folder.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule
from sqlalchemy import select

from mithaq.exchange import store
from mithaq.exchange.errors import OutOfSequence
from mithaq.exchange.frame import Unverified, split_frames
from mithaq.exchange.orders import Orders
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.sending.service import Sending
from mithaq.kernel import journal
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.kernel.reason import Reason
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, give_receipts
from tests.world import XA, XB, XC, Treaty

NATIONS = (XA, XB, XC)
AT = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
TREATY = Treaty(AT)
DRILL = Lane("exercise--11111111-1111-4111-8111-111111111111")
PAIRS = [(one, other) for one in NATIONS for other in NATIONS if one != other]
nations = st.sampled_from([XA, XA, XA, XB, XC])
pairs = st.sampled_from([(XA, XB)] * 6 + PAIRS)
"""Most happens between two, so that much happens between them."""

labels = st.sampled_from([Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED])


class Crash(Exception):
    """The power goes out."""


class Fragile(Database):
    """A database whose process can be made to die at a commit: just before it, or just after it."""

    countdown = 0
    after_the_commit = False

    @contextmanager
    def write(self, at: datetime) -> Iterator[Transaction]:
        self.countdown -= 1
        dies = self.countdown == 0
        with super().write(at) as tx:
            yield tx
            if dies and not self.after_the_commit:
                raise Crash
        if dies:
            raise Crash


@dataclass
class Known:
    """What the oracle knows of one object: every version's label, and whether it was taken back."""

    owner: NationId
    number: int
    lane: Lane
    labels: list[Tlp]
    withdrawn: bool = False

    @property
    def object_id(self) -> str:
        return f"indicator--00000000-0000-4000-8000-{self.number:012d}"

    @property
    def version(self) -> tuple[str, Lane, datetime]:
        return self.object_id, self.lane, modified(len(self.labels))


@dataclass(frozen=True)
class Answer:
    """Frames on their way, and what the oracle let go when they were asked for."""

    frames: list[Unverified]
    allowed: frozenset[tuple[str, Lane, datetime]]


@dataclass
class Oracle:
    """The law of these tests, written down a second time."""

    objects: dict[str, Known] = field(default_factory=dict)
    vetoes: set[tuple[str, NationId | None]] = field(default_factory=set)
    suspended: set[NationId] = field(default_factory=set)
    distrusted: set[tuple[NationId, NationId]] = field(default_factory=set)

    def talk(self, one: NationId, other: NationId) -> bool:
        return not {(one, other), (other, one)} & self.distrusted

    def allowed(self, sender: NationId, recipient: NationId) -> frozenset[tuple[str, Lane, datetime]]:
        if sender in self.suspended or (sender, recipient) in self.distrusted:
            return frozenset()
        return frozenset(
            known.version
            for name, known in self.objects.items()
            if known.owner == sender
            and known.labels[-1] <= Tlp.AMBER
            and known.lane != TEST
            and not known.withdrawn
            and not {(name, recipient), (name, None)} & self.vetoes
        )


def modified(version: int) -> datetime:
    return AT - timedelta(hours=1) + timedelta(seconds=version)


def opened(nation: NationId, folder: Path, neighbours: dict[NationId, Country]) -> Country:
    country = Country.found(nation, folder / nation)
    fragile = Fragile(country.db.engine, country.db.waker)
    return Country.over(nation, fragile, neighbours)


class Channel(RuleBasedStateMachine):
    """The machine; `attempt` is where a crash is noticed and the country is opened anew."""

    template: Path
    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="mithaq-machine-"))
        self.oracle = Oracle()
        self.at = AT
        self.pipes: dict[tuple[NationId, NationId], list[Answer]] = {}
        self.past: dict[tuple[NationId, NationId], list[Unverified]] = {}
        self.countries: dict[NationId, Country] = {}

    @initialize()
    def found(self) -> None:
        shutil.copytree(self.template, self.folder, dirs_exist_ok=True)
        self.countries.update({nation: opened(nation, self.folder, self.countries) for nation in NATIONS})

    def teardown(self) -> None:
        try:
            if self.countries:
                self.drain()
                self.heal()
                self.drain()
        finally:
            for country in self.countries.values():
                country.db.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def attempt(self, nation: NationId, what: Callable[[Country, datetime], object]) -> bool:
        """Do something at one nation; tell whether it lived."""
        self.at += timedelta(milliseconds=250)
        try:
            what(self.countries[nation], self.at)
        except Crash:
            self.countries[nation].db.close()
            self.countries[nation] = opened(nation, self.folder, self.countries)
            return False
        return True

    # What people decide. A crash may come before or after the commit, so the oracle asks the survivor.

    @rule(target=known, owner=nations, label=labels, lane=st.sampled_from([ACTUAL, ACTUAL, ACTUAL, DRILL, TEST]))
    def add(self, owner: NationId, label: Tlp, lane: Lane) -> object:
        number = len(self.oracle.objects) + 1
        fresh = Known(owner, number, lane, [label])
        self.attempt(owner, lambda here, at: here.add(number, at, tlp=label, lane=lane, modified=_text(1)))
        if not self.countries[owner].held(fresh.object_id, lane):
            return multiple()
        self.oracle.objects[fresh.object_id] = fresh
        return fresh.object_id

    @rule(name=known, label=labels)
    def revise(self, name: str, label: Tlp) -> None:
        known = self.oracle.objects[name]
        version = len(known.labels) + 1
        changes = {"tlp": label, "lane": known.lane, "modified": _text(version), "name": f"version {version}"}
        self.attempt(known.owner, lambda here, at: here.add(known.number, at, **changes))
        if len(self.countries[known.owner].held(name, known.lane)) == version:
            known.labels.append(label)
            known.withdrawn = False

    @rule(name=known)
    def withdraw(self, name: str) -> None:
        known = self.oracle.objects[name]

        def take_back(here: Country, at: datetime) -> None:
            with here.db.write(at) as tx:
                here.context.holdings.withdraw(tx, name, known.lane, known.owner, "mistaken")

        self.attempt(known.owner, take_back)
        known.withdrawn = not self.countries[known.owner].held(name, known.lane)[0].stands

    @rule(name=known, recipient=st.sampled_from([*NATIONS, None]), lift=st.booleans())
    def veto(self, name: str, recipient: NationId | None, lift: bool) -> None:
        owner = self.oracle.objects[name].owner
        verb = Orders.lift_veto if lift else Orders.veto
        self.attempt(owner, lambda here, at: verb(Orders(here.context), name, recipient, at=at, actor="person--1"))
        with self.countries[owner].db.read() as connection:
            rows = connection.execute(select(store.vetoes).where(store.vetoes.c.object_id == name)).all()
        self.oracle.vetoes = {each for each in self.oracle.vetoes if each[0] != name} | {
            (name, None if row.recipient == "*" else NationId(row.recipient)) for row in rows
        }

    @rule(nation=nations, suspended=st.booleans())
    def suspend_the_agreement(self, nation: NationId, suspended: bool) -> None:
        name = TREATY.agreement_id
        self.attempt(
            nation, lambda here, at: here.context.agreements.set_suspended(name, suspended, at=at, actor="person--1")
        )
        country = self.countries[nation]
        with country.db.read() as connection:
            is_suspended = country.context.agreements.get(connection, name).suspended
        (self.oracle.suspended.add if is_suspended else self.oracle.suspended.discard)(nation)

    @rule(pair=pairs, trusted=st.booleans())
    def trust(self, pair: tuple[NationId, NationId], trusted: bool) -> None:
        nation, other = pair

        def decide(here: Country, at: datetime) -> None:
            partners = here.context.partners
            if trusted:
                with here.db.read() as connection:
                    digits = partners.get(connection, other).card.fingerprint
                partners.confirm(other, digits, at=at, actor="person--1")
            else:
                partners.suspend(other, at=at, actor="person--1")

        self.attempt(nation, decide)
        country = self.countries[nation]
        with country.db.read() as connection:
            is_trusted = country.context.partners.get(connection, other).is_trusted
        (self.oracle.distrusted.discard if is_trusted else self.oracle.distrusted.add)(pair)

    # What machines do.

    @rule(nation=nations)
    def plan(self, nation: NationId) -> None:
        self.attempt(nation, lambda here, at: journal.run_once(here.db, here.planner, at))

    @rule(pair=pairs)
    def exchange(self, pair: tuple[NationId, NationId]) -> None:
        """One whole, lucky round of the channel."""
        self.plan(pair[0])
        self.fetch(pair)
        self.take(pair, 0)
        self.receipts(pair)

    @rule(pair=pairs)
    def exchange_in_vain(self, pair: tuple[NationId, NationId]) -> None:
        """The answer is made, numbered and sealed, and lost on the way."""
        self.plan(pair[0])
        self.fetch(pair)
        if self.pipes.get(pair):
            self.pipes[pair].clear()

    @rule(pair=pairs)
    def fetch(self, pair: tuple[NationId, NationId]) -> None:
        sender, recipient = pair
        if not self.oracle.talk(*pair):
            return
        after = Receiving(self.countries[recipient].context).cursor(sender)
        allowed = self.oracle.allowed(*pair)
        told: list[bytes] = []
        self.attempt(sender, lambda here, at: told.extend(Sending(here.context).frames(recipient, after, at)))
        self.pipes.setdefault(pair, []).append(Answer(list(split_frames(b"".join(told))), allowed))

    @precondition(lambda self: any(self.pipes.values()))
    @rule(data=st.data())
    def lose_an_answer(self, data: st.DataObject) -> None:
        self.pipes[self._drawn(data, self.pipes)].pop(0)

    @precondition(lambda self: any(self.pipes.values()))
    @rule(data=st.data(), cut=st.integers(0, 3))
    def take_an_answer(self, data: st.DataObject, cut: int) -> None:
        self.take(self._drawn(data, self.pipes), cut)

    @staticmethod
    def _drawn(data: st.DataObject, busy: Mapping[tuple[NationId, NationId], Sequence[object]]) -> Any:
        return data.draw(st.sampled_from(sorted(pair for pair, queue in busy.items() if queue)))

    def take(self, pair: tuple[NationId, NationId], cut: int) -> None:
        """Take an answer, or only its first frames: the link broke."""
        sender, recipient = pair
        if not self.pipes.get(pair) or not self.oracle.talk(*pair):
            return
        answer = self.pipes[pair].pop(0)
        before = self._from(sender, recipient)
        for frame in answer.frames[: cut or None]:
            self.past.setdefault(pair, []).append(frame)
            if not self.attempt(recipient, lambda here, at, frame=frame: _take(here, sender, frame, at)):
                break
        assert self._from(sender, recipient) - before <= answer.allowed, "something left that must not"

    @precondition(lambda self: any(self.past.values()))
    @rule(data=st.data())
    def repeat_an_old_frame(self, data: st.DataObject) -> None:
        pair = self._drawn(data, self.past)
        frame = self.past[pair][data.draw(st.integers(0, len(self.past[pair]) - 1))]
        if not self.oracle.talk(*pair):
            return
        before = self._from(*pair)
        self.attempt(pair[1], lambda here, at: _take(here, pair[0], frame, at))
        assert self._from(*pair) == before or frame.header.sequence == self._cursor(*pair)

    @rule(pair=pairs)
    def receipts(self, pair: tuple[NationId, NationId]) -> None:
        sender, recipient = pair
        if self.oracle.talk(*pair):
            both = {nation: self.countries[nation] for nation in pair}
            try:
                give_receipts(both[sender], both[recipient], self.at)
            except Crash:
                for nation in pair:
                    self.countries[nation].db.close()
                    self.countries[nation] = opened(nation, self.folder, self.countries)

    @rule(nation=nations, countdown=st.integers(1, 3), after=st.booleans())
    def crash_soon(self, nation: NationId, countdown: int, after: bool) -> None:
        database = self.countries[nation].db
        assert isinstance(database, Fragile)
        database.countdown, database.after_the_commit = countdown, after

    # What always holds.

    @invariant()
    def every_journal_is_gap_free(self) -> None:
        for country in self.countries.values():
            with country.db.read() as connection:
                seqs = list(connection.scalars(select(journal.journal.c.seq).order_by(journal.journal.c.seq)))
            assert seqs == list(range(1, len(seqs) + 1))

    @invariant()
    def numbers_are_gap_free_and_each_has_one_receipt_at_most(self) -> None:
        for sender, country in self.countries.items():
            with country.db.read() as connection:
                rows = connection.execute(select(store.sent).order_by(store.sent.c.recipient, store.sent.c.sequence))
                sent = [(row.recipient, row.sequence, row.release_id) for row in rows]
                entries = journal.entries(connection, 0, limit=10_000)
            numbers = Counter(recipient for recipient, _, _ in sent)
            assert [each[:2] for each in sent] == [
                (recipient, place) for recipient in sorted(numbers) for place in range(1, numbers[recipient] + 1)
            ], sender
            receipts = Counter(entry.subject for entry in entries if entry.kind == "exchange.receipt")
            assert set(receipts) <= {each[2] for each in sent}
            assert not receipts or max(receipts.values()) == 1
            taken = Counter(
                (entry.actor, entry.detail["sequence"])
                for entry in entries
                if entry.kind in ("exchange.admitted", "exchange.quarantined")
            )
            assert not taken or max(taken.values()) == 1

    def drain(self) -> None:
        """With no more faults, everything that may go arrives, and what was taken back falls."""
        for country in self.countries.values():
            assert isinstance(country.db, Fragile)
            country.db.countdown = 0
        for _ in range(40):
            moved = [self._deliver_all(pair) for pair in PAIRS if self.oracle.talk(*pair)]
            if not any(moved):
                break
        for pair in PAIRS:
            self._must_have_arrived(*pair)
        self.every_journal_is_gap_free()
        self.numbers_are_gap_free_and_each_has_one_receipt_at_most()

    def heal(self) -> None:
        """Let everybody trust everybody again, and lift what was decided against a release."""
        for nation in sorted(self.oracle.suspended):
            self.suspend_the_agreement(nation, False)
        for pair in sorted(self.oracle.distrusted):
            self.trust(pair, True)
        for name, recipient in sorted(self.oracle.vetoes, key=str):
            self.veto(name, recipient, True)

    def _deliver_all(self, pair: tuple[NationId, NationId]) -> int:
        sender, recipient = (self.countries[nation] for nation in pair)
        self.at += timedelta(seconds=1)
        sender.context.flusher.forget_failures()
        sender.plan(self.at)
        allowed, before = self.oracle.allowed(*pair), self._from(*pair)
        after = Receiving(recipient.context).cursor(sender.nation)
        frames = split_frames(b"".join(Sending(sender.context).frames(recipient.nation, after, self.at)))
        for frame in frames:
            Receiving(recipient.context).take(sender.nation, frame, self.at)
        assert self._from(*pair) - before <= allowed
        give_receipts(sender, recipient, self.at)
        return len(frames)

    def _must_have_arrived(self, sender: NationId, recipient: NationId) -> None:
        held = self._from(sender, recipient)
        if self.oracle.talk(sender, recipient):
            refused = self._quarantined(sender, recipient)
            missing = {each for each in self.oracle.allowed(sender, recipient) - held if each[0] not in refused}
            assert not missing, f"{sender} may give {recipient} what never came: {missing}"
            fallen = {(name, known.lane) for name, known in self.oracle.objects.items() if known.withdrawn}
            assert not {each for each in held if each[:2] in fallen}, "a withdrawn object still stands"

    def _from(self, sender: NationId, recipient: NationId) -> set[tuple[str, Lane, datetime]]:
        """Return the versions that stand at one nation by another's word."""
        found = set()
        for name, known in self.oracle.objects.items():
            for stored in self.countries[recipient].held(name, known.lane):
                standing = {each.nation for each in stored.provenance if each.standing == "stands"}
                if sender in standing and stored.stix.modified is not None:
                    found.add((name, stored.lane, stored.stix.modified))
        return found

    def _cursor(self, sender: NationId, recipient: NationId) -> int:
        return Receiving(self.countries[recipient].context).cursor(sender)

    def _quarantined(self, sender: NationId, recipient: NationId) -> set[str]:
        """Return what the recipient itself refused, having suspended the agreement."""
        with self.countries[recipient].db.read() as connection:
            rows = connection.execute(select(store.quarantine).where(store.quarantine.c.sender == sender)).all()
        reasons = {reason.code for row in rows for reason in map(Reason.of_json, row.reasons)}
        assert reasons <= {"agreement-suspended"}, reasons
        return {row.object_id for row in rows}


def _take(here: Country, sender: NationId, frame: Unverified, at: datetime) -> None:
    try:
        Receiving(here.context).take(sender, frame, at)
    except OutOfSequence:
        return


def _text(version: int) -> str:
    return rfc3339(modified(version))


def _template() -> Path:
    """Three countries under one agreement, each with a standing order; copied for every run of the machine."""
    folder = Path(tempfile.mkdtemp(prefix="mithaq-template-"))
    for country in alliance(folder, NATIONS, AT, TREATY):
        country.order(TREATY, AT)
        country.db.close()
    return folder


def _runs(count: int) -> settings:
    return settings(
        max_examples=count,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )


class TestChannel(Channel.TestCase):  # type: ignore[misc, name-defined]
    settings = _runs(12)

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        Channel.template = _template()

    @classmethod
    def tearDownClass(cls) -> None:
        shutil.rmtree(Channel.template, ignore_errors=True)
        super().tearDownClass()


@pytest.mark.deep
class TestChannelAtLength(TestChannel):
    settings = _runs(300)
