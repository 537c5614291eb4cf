"""An archive on a stick is the channel: same gate, same checks, same order, and each mishap is told for what it is."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.exchange import ledger, store
from mithaq.exchange.archive.errors import BadArchive, NotExchanging
from mithaq.exchange.archive.exporting import Exported, Exporting
from mithaq.exchange.archive.format import INFO, read_manifest, split_archive, split_papers
from mithaq.exchange.archive.importing import Imported, Importing
from mithaq.exchange.letters import Letters, queue
from mithaq.exchange.log.state import log_state
from mithaq.exchange.orders import Orders
from mithaq.exchange.receiving.service import Receiving
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.keystore import Keys
from mithaq.kernel.signing import BadSignature, read_envelope
from mithaq.nations.errors import UnknownPartner
from mithaq.nations.keys import rules
from mithaq.nations.keys import store as key_store
from mithaq.nations.keys.card_file import with_statements
from mithaq.nations.signer import LocalSigner
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, give_receipts
from tests.world import (
    XA,
    XB,
    XC,
    Treaty,
    bare_card,
    card_of,
    first_statement,
    online_of,
    root_of,
    signed_statement,
    signer_of,
)

HOUR = timedelta(hours=1)


@dataclass
class Pair:
    """Two countries without a link, and a third one."""

    first: Country
    second: Country
    third: Country
    treaty: Treaty
    at: datetime

    def later(self, by: timedelta = HOUR) -> datetime:
        self.at += by
        return self.at

    def add(self, *numbers: int, tlp: Tlp = Tlp.GREEN) -> None:
        for number in numbers:
            self.first.add(number, self.at, tlp=tlp)
        self.first.plan(self.at)


@pytest.fixture
def pair(tmp_path: Path, at: datetime) -> Iterator[Pair]:
    treaty = Treaty(at)
    countries = alliance(tmp_path, (XA, XB, XC), at, treaty)
    countries[0].order(treaty, at)
    yield Pair(countries[0], countries[1], countries[2], treaty, at)
    for country in countries:
        country.db.close()


def export(sender: Country, recipient: Country, at: datetime) -> tuple[bytes, Exported]:
    return Exporting(sender.context, lambda: card_of(sender.nation, at)).archive(recipient.nation, at)


def stick(sender: Country, recipient: Country, at: datetime) -> bytes:
    return export(sender, recipient, at)[0]


def take(recipient: Country, file: bytes, at: datetime) -> Imported:
    return Importing(recipient.context).take(file, at)


def channel(country: Country, partner: Country) -> ledger.Channel:
    with country.db.read() as connection:
        return ledger.channels(connection, [partner.nation])[0]


def held(country: Country, number: int) -> bool:
    return bool(country.held(f"indicator--00000000-0000-4000-8000-{number:012d}"))


def test_releases_go_out_on_one_stick_and_receipts_come_back_on_another(pair: Pair) -> None:
    pair.add(1, 2)
    file, sent = export(pair.first, pair.second, pair.later())
    assert (sent.releases, sent.more) == (1, False)
    done = take(pair.second, file, pair.later())
    assert (done.outcomes, done.stopped, done.refused) == ([(1, "admitted")], None, [])
    assert held(pair.second, 1)
    assert channel(pair.first, pair.second).unreceipted == 1
    back, returned = export(pair.second, pair.first, pair.later())
    assert returned.receipts == 1
    got = take(pair.first, back, pair.later())
    assert (got.receipts, got.refused) == (1, [])
    assert channel(pair.first, pair.second).unreceipted == 0
    assert export(pair.first, pair.second, pair.later())[1].releases == 0


def test_receipts_travel_until_their_arrival_is_confirmed(pair: Pair) -> None:
    pair.add(1)
    take(pair.second, stick(pair.first, pair.second, pair.later()), pair.later())
    assert [export(pair.second, pair.first, pair.later())[1].receipts for _ in "ab"] == [1, 1]
    take(pair.first, stick(pair.second, pair.first, pair.later()), pair.later())
    take(pair.second, stick(pair.first, pair.second, pair.later()), pair.later())
    assert export(pair.second, pair.first, pair.later())[1].receipts == 0


def test_a_lost_stick_costs_nothing(pair: Pair) -> None:
    pair.add(1)
    stick(pair.first, pair.second, pair.later())
    pair.add(2)
    done = take(pair.second, stick(pair.first, pair.second, pair.later()), pair.later())
    assert done.outcomes == [(1, "admitted"), (2, "admitted")]


def test_the_same_stick_twice_takes_nothing_twice_and_says_so(pair: Pair) -> None:
    pair.add(1)
    file = stick(pair.first, pair.second, pair.later())
    first_at = pair.later()
    take(pair.second, file, first_at)
    again = take(pair.second, file, pair.later())
    assert (again.again, again.outcomes, again.taken) == (first_at, [(1, "known")], 0)
    assert len(pair.second.held("indicator--00000000-0000-4000-8000-000000000001")[0].provenance) == 1


def test_an_old_stick_after_a_new_one_changes_nothing(pair: Pair) -> None:
    pair.add(1)
    old = stick(pair.first, pair.second, pair.later())
    pair.add(2)
    take(pair.second, stick(pair.first, pair.second, pair.later()), pair.later())
    done = take(pair.second, old, pair.later())
    assert (done.is_old, done.outcomes) == (True, [(1, "known")])
    assert Receiving(pair.second.context).cursor(XA) == 2


def test_what_an_old_stick_confirms_is_passed_over(pair: Pair) -> None:
    pair.add(1)
    old = stick(pair.second, pair.first, pair.later())
    take(pair.second, stick(pair.first, pair.second, pair.later()), pair.later())
    take(pair.first, stick(pair.second, pair.first, pair.later()), pair.later())
    take(pair.first, old, pair.later())
    assert export(pair.first, pair.second, pair.later())[1].after == 1


def test_a_gap_ends_the_taking_until_the_missing_stick_is_there(pair: Pair) -> None:
    pair.add(1)
    first = stick(pair.first, pair.second, pair.later())
    with pair.first.db.write(pair.at) as tx:  # as if the second had confirmed it
        store.set_channel(tx, XB, asked_after=1, asked_at=pair.at)
    pair.add(2)
    second = stick(pair.first, pair.second, pair.later())
    done = take(pair.second, second, pair.later())
    assert (done.outcomes, done.stopped and done.stopped.code) == ([], "out-of-sequence")
    assert "number 2 came where 1 is due" in (done.stopped.sentence() if done.stopped else "")
    assert channel(pair.second, pair.first).trouble is not None
    assert take(pair.second, first, pair.later()).outcomes == [(1, "admitted")]
    assert take(pair.second, second, pair.later()).outcomes == [(2, "admitted")]
    assert channel(pair.second, pair.first).trouble is None


def test_a_stick_for_somebody_else_is_refused_by_its_name(pair: Pair) -> None:
    pair.add(1)
    with pytest.raises(BadArchive, match="meant for XB"):
        take(pair.third, stick(pair.first, pair.second, pair.later()), pair.later())


def test_a_stick_from_a_stranger_or_a_suspended_nation_is_refused(pair: Pair) -> None:
    pair.add(1)
    file = stick(pair.first, pair.second, pair.later())
    pair.second.context.partners.suspend(XA, at=pair.at, actor="person--1")
    with pytest.raises(NotExchanging):
        take(pair.second, file, pair.later())
    with pytest.raises(NotExchanging):
        stick(pair.second, pair.first, pair.later())
    pair.second.context.partners.remove(XA, at=pair.at, actor="person--1")
    with pytest.raises(UnknownPartner):
        take(pair.second, file, pair.later())


def test_a_flipped_byte_anywhere_refuses_the_whole(pair: Pair) -> None:
    pair.add(1)
    file = stick(pair.first, pair.second, pair.later())
    places = [*range(0, 700, 13), *range(700, len(file), 997), len(file) - 1]
    for place in places:
        changed = bytearray(file)
        changed[place] ^= 0x20
        with pytest.raises(Error) as caught:
            take(pair.second, bytes(changed), pair.at)
        assert str(caught.value)
    assert not held(pair.second, 1)
    assert take(pair.second, file, pair.later()).taken == 1


@pytest.mark.parametrize("change", [
    lambda file: file[:-1],
    lambda file: file[: len(file) // 2],
    lambda file: file + b"F\x00\x00\x00\x01x",
    lambda file: file + file[17:],
    lambda file: b"",
    lambda file: b"PK\x03\x04" + file,
    lambda file: file[:17],
    lambda file: file[:17] + b"H" + struct.pack(">I", 2**31) + b"x",
    lambda file: file[:17] + b"H\x00\x00\x00\x02{}" * 3,
    lambda file: file[:17] + b"F\x00\x00\x00\x00" * 30_000,
])  # fmt: skip
def test_a_file_that_is_not_whole_is_refused(pair: Pair, change: Callable[[bytes], bytes]) -> None:
    pair.add(1)
    file = stick(pair.first, pair.second, pair.later())
    with pytest.raises(Error) as caught:
        take(pair.second, change(file), pair.later())
    assert str(caught.value)
    assert not held(pair.second, 1)


def test_a_release_left_out_of_the_file_is_missed(pair: Pair) -> None:
    pair.add(1)
    stick(pair.first, pair.second, pair.later())
    pair.add(2)
    split = split_archive(file := stick(pair.first, pair.second, pair.later()))
    kind, body = split.parts[0]
    without = file.replace(kind + struct.pack(">I", len(body)) + body, b"")
    with pytest.raises(BadArchive, match="missing, added or changed"):
        take(pair.second, without, pair.later())


def test_papers_that_somebody_else_sealed_are_not_believed(pair: Pair) -> None:
    """Whoever knows a nation's card can seal to it; only the sender can sign."""
    forger = replace(pair.first.context, signer=signer_of(XC))
    file, _ = Exporting(forger, lambda: b"").archive(XB, pair.later())
    with pytest.raises(BadSignature):
        take(pair.second, file, pair.later())


def test_a_stick_from_the_future_is_refused_with_the_skew(pair: Pair) -> None:
    file = stick(pair.first, pair.second, pair.at + HOUR)
    with pytest.raises(BadArchive, match="3600 seconds ahead"):
        take(pair.second, file, pair.at)


def test_what_the_gate_refuses_by_now_is_not_on_the_next_stick(pair: Pair) -> None:
    pair.add(1)
    stick(pair.first, pair.second, pair.later())
    name = "indicator--00000000-0000-4000-8000-000000000001"
    Orders(pair.first.context).veto(name, None, at=pair.at, actor="person--director")
    done = take(pair.second, stick(pair.first, pair.second, pair.later()), pair.later())
    assert (done.outcomes, held(pair.second, 1)) == ([(1, "void")], False)


def test_a_withheld_object_changes_nothing_on_the_stick(tmp_path: Path, at: datetime) -> None:
    shapes, card = [], card_of(XA, at)
    for world in ("without", "with"):
        treaty = Treaty(at)
        first, second, _ = alliance(tmp_path / world, (XA, XB, XC), at, treaty)
        first.order(treaty, at)
        first.add(1, at)
        if world == "with":
            first.add(2, at, tlp=Tlp.RED)
        first.plan(at)
        exporting = Exporting(first.context, lambda: card)
        exporting.archive(second.nation, at + HOUR)
        until_cosigned(first, (XB, XC))  # which witness answers in time is chance
        file, _ = exporting.archive(second.nation, at + HOUR)
        split = split_archive(file)
        papers = second.context.signer.open_sealed(split.papers, INFO + split.header_bytes)
        envelope, rest = split_papers(papers)
        manifest = read_manifest(read_envelope(envelope).payload)
        lengths = [(kind, len(body)) for kind, body in split.parts]
        assert [kind for kind, _ in lengths] == [b"F", b"Q"]
        said = replace(manifest, parts=())
        shapes.append((len(file), len(split.papers), lengths, said, len(manifest.parts), [kind for kind, _ in rest]))
    assert shapes[0] == shapes[1]


def until_cosigned(country: Country, witnesses: tuple[NationId, ...]) -> None:
    for _ in range(3_000):
        with country.db.read() as connection:
            state = log_state(connection)
        if [each.nation for each in state.cosigned if each.size == state.size] == sorted(witnesses):
            return
        time.sleep(0.01)
    pytest.fail(f"not cosigned by all: {state}")


def test_letters_travel_until_they_were_taken(pair: Pair) -> None:
    odd = signer_of(XA).sign("application/vnd.mithaq.odd+json", b"{}")
    with pair.first.db.write(pair.at) as tx:
        queue(tx, [XB], pair.treaty.agreement_id, pair.treaty.envelope.encode())
        queue(tx, [XB], "nothing", odd)
    done = take(pair.second, stick(pair.first, pair.second, pair.later()), pair.later())
    assert (done.letters, [what for what, _ in done.refused]) == (1, ["letter"])
    take(pair.first, stick(pair.second, pair.first, pair.later()), pair.later())
    with pair.first.db.read() as connection:
        assert [each.about for each in Letters(pair.first.context).on_the_way(connection)] == ["nothing"]


def test_proofs_that_are_owed_come_with_the_releases(pair: Pair) -> None:
    pair.add(1)
    file, sent = export(pair.first, pair.second, pair.later())
    assert sent.proofs == 1
    done = take(pair.second, file, pair.later())
    assert (done.proofs, done.refused) == (1, [])


def test_a_link_and_a_stick_may_be_mixed(pair: Pair) -> None:
    pair.add(1)
    file = stick(pair.first, pair.second, pair.later())
    assert deliver(pair.first, pair.second, pair.later()) == ["admitted"]
    assert take(pair.second, file, pair.later()).outcomes == [(1, "known")]
    pair.add(2)
    assert take(pair.second, stick(pair.first, pair.second, pair.later()), pair.later()).taken == 1
    give_receipts(pair.first, pair.second, pair.later())
    assert channel(pair.first, pair.second).unreceipted == 0


def test_a_partner_that_confirms_more_than_it_was_sent_is_not_believed(pair: Pair) -> None:
    with pair.second.db.write(pair.at) as tx:
        store.set_channel(tx, XA, received_sequence=7)
    done = take(pair.first, stick(pair.second, pair.first, pair.later()), pair.later())
    assert [(what, reason.code) for what, reason in done.refused] == [("confirmation", "out-of-sequence")]


def test_both_databases_keep_what_an_archive_brings(tmp_path: Path, db_url: str, at: datetime) -> None:
    treaty = Treaty(at)
    first, third = Country.found(XA, tmp_path / "one"), Country.found(XC, tmp_path / "three")
    second = Country.found(XB, tmp_path / "two", db_url)
    for country in (first, second):
        country.befriend([first, second, third], at)
        country.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    first.order(treaty, at)
    first.add(1, at)
    first.plan(at)
    file = stick(first, second, at + HOUR)
    assert take(second, file, at + HOUR).taken == 1
    assert take(second, file, at + 2 * HOUR).again == at + HOUR
    assert take(first, stick(second, first, at + 3 * HOUR), at + 4 * HOUR).receipts == 1
    assert export(first, second, at + 5 * HOUR)[1].after == 1
    for country in (first, second, third):
        country.db.close()


def test_a_newer_card_travels_with_the_stick_that_its_key_signs(pair: Pair) -> None:
    pair.add(1)
    keys, later = Keys.generate(), pair.later(timedelta(days=1))
    first = first_statement(XA, later)
    made = rules.draft(
        first, nation=XA, roots=[root_of(XA).root], threshold=1, online=online_of(keys), revoked=[], at=later,
        expires_at=later + timedelta(days=90),
    )  # fmt: skip
    row = [first, signed_statement(made, root_of(XA))]
    with pair.first.db.write(later) as tx:
        key_store.append(tx, XA, row)
    card = with_statements(bare_card(XA, later, first, keys=keys), [each.envelope for each in row])
    context = replace(pair.first.context, signer=LocalSigner(keys, XA))
    without, _ = Exporting(context, lambda: b"").archive(XB, later)
    with pytest.raises(BadSignature):
        take(pair.second, without, later)
    file, _ = Exporting(context, lambda: card).archive(XB, pair.later())
    done = take(pair.second, file, pair.later())
    assert done.stopped is None
    assert held(pair.second, 1)


def test_somebody_elses_card_in_a_stick_is_not_taken(pair: Pair) -> None:
    foreign = card_of(XC, pair.at + HOUR)
    file, _ = Exporting(pair.first.context, lambda: foreign).archive(XB, pair.later())
    take(pair.second, file, pair.later())
    with pair.second.db.read() as connection:
        known = pair.second.context.partners.get(connection, XC)
    assert known.card.issued_at < pair.at - 2 * HOUR + timedelta(seconds=1)


def test_what_waits_for_witnesses_waits_for_the_next_stick_too(pair: Pair) -> None:
    pair.first.neighbours.clear()
    pair.add(1, tlp=Tlp.AMBER)
    _, sent = export(pair.first, pair.second, pair.later())
    assert (sent.releases, sent.more) == (0, True)
    pair.first.neighbours |= {XB: pair.second, XC: pair.third}
    pair.first.context.flusher.forget_failures()
    file, sent = export(pair.first, pair.second, pair.later())
    assert (sent.releases, sent.proofs, sent.more) == (1, 0, False)
    assert take(pair.second, file, pair.later()).outcomes == [(1, "admitted")]


@pytest.mark.parametrize("place", ["_take_proofs", "_take_papers", "_confirm"])
def test_an_import_that_broke_off_is_done_again(pair: Pair, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    pair.add(1)
    take(pair.second, stick(pair.first, pair.second, pair.later()), pair.later())
    pair.second.add(9, pair.at)
    back = stick(pair.second, pair.first, pair.later())

    def dies(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Importing, place, dies)
        with pytest.raises(KeyboardInterrupt):
            take(pair.first, back, pair.later())
    done = take(pair.first, back, pair.later())
    assert (done.again, done.refused) == (None, [])
    assert channel(pair.first, pair.second).unreceipted == 0
    assert export(pair.first, pair.second, pair.later())[1].after == 1


def test_an_outdated_sealing_key_is_told(pair: Pair) -> None:
    assert export(pair.first, pair.second, pair.later())[1].seal_was_due is None
    late = pair.later(timedelta(days=15))
    assert export(pair.first, pair.second, late)[1].seal_was_due is not None
