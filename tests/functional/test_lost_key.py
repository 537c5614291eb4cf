"""The lost-key drill: an online key is stolen, the officials speak, and the channel heals without a voice call."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from mithaq.agreements.model import State
from mithaq.exchange.channel.client import PartnerClient
from mithaq.exchange.channel.http_signature import sign_request
from mithaq.exchange.errors import PartnerRefused
from mithaq.exchange.frame import Unverified, seal_frame, split_frames
from mithaq.exchange.impact import received_since
from mithaq.exchange.planning import Planning
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.release_document import RELEASE_TYPE, ReleaseDocument
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.kernel import journal, keystore
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.errors import KeyChanged
from mithaq.nations.keys import root_file
from mithaq.nations.keys.errors import BadStatement, KeysExpired
from mithaq.nations.keys.keyring import USES
from mithaq.nations.keys.model import Revocation
from mithaq.nations.keys.root_file import RootKey
from mithaq.nations.keys.rules import unsigned
from mithaq.nations.keys.settings import STATUS_MAX_AGE_DAYS
from mithaq.nations.model import Standing
from mithaq.nations.signer import LocalSigner
from mithaq.node.composition import Node, compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found, own_card
from mithaq.node.key_care import keyring_of, publish
from mithaq.node.settings import Settings
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.country import indicator
from tests.doors import ShiftedClock, open_channels, open_doors
from tests.running import free_port, until
from tests.world import DEFAULT_TERMS, XA, XB, Treaty

pytestmark = [pytest.mark.functional, pytest.mark.long]

CLOCK = ShiftedClock()
PASSPHRASE = b"only a test's passphrase"
MAX_AGE = timedelta(days=STATUS_MAX_AGE_DAYS)


@dataclass
class Drill:
    """Two nodes that exchange, the first one's officials, and what its thief has."""

    first: Node
    second: Node
    officials: Sequence[RootKey]
    thief: LocalSigner

    def add(self, number: int) -> str:
        """Store an own indicator at the first node and let it be planned."""
        at = CLOCK.now()
        body = indicator(number)
        parsed = stix.parse(body)
        provenance = Provenance("own", XA, None, None, None, None, Tlp.GREEN, Pap.GREEN, {}, at)
        with self.first.db.write(at) as tx:
            self.first.holdings.store(tx, [NewObject(body, parsed, ACTUAL, provenance, None)])
        reader = Planning(self.first.channel).reader()
        while journal.run_once(self.first.db, reader, at):
            pass
        return parsed.id

    def has(self, object_id: str) -> bool:
        with self.second.db.read() as connection:
            return bool(self.second.holdings.get(connection, object_id, ACTUAL))

    def speak(self, signed_by: Sequence[RootKey], *, steal_back: bool = True) -> None:
        """Let officials revoke the stolen key and publish what follows."""
        at, keyring = CLOCK.now(), keyring_of(self.first)
        stolen = Revocation(keyring.current().verify_key.key_id, at)
        made = self.first.own_keys.draft(keyring.prepare(USES), at=at, revoked=[stolen] if steal_back else ())
        envelope = unsigned(made)
        for official in signed_by:
            envelope = root_file.sign(envelope, official)
        publish(self.first, envelope, at=CLOCK.now(), actor="operator")

    def steal_in(self) -> httpx.Response:
        """Ask the second node as the first, with the stolen key."""
        target = "/partner/v1/releases?after=0&wait=0"
        headers = sign_request(
            self.thief, sender=XA, recipient=XB, method="GET", target=target, body=b"", at=CLOCK.now()
        )
        url = self.second.settings.partner_url
        return httpx.get(url + target, headers=headers, trust_env=False, timeout=20)


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    with ExitStack() as stack:
        first, second = (stack.enter_context(node(tmp_path, nation)) for nation in (XA, XB))
        officials = [root_file.draw(name) for name in ("Layla", "Omar", "Salma")]
        hand_over(first, officials)
        for one, other in ((first, second), (second, first)):
            known = one.partners.add(other.card_bytes(), at=CLOCK.now(), actor="p")
            one.partners.confirm(other.nation, known.card.fingerprint, at=CLOCK.now(), actor="p")
        agree(first, second)
        thief = LocalSigner(keystore.read(stolen_copy(first, tmp_path), PASSPHRASE), XA)
        for each in (first, second):
            port = each.settings.listen_port
            stack.enter_context(open_doors(each.channel, each.card_bytes, CLOCK, each.run_dir, port))
        for each in (first, second):
            stack.enter_context(open_channels(each.channel, each.run_dir, CLOCK, each.card_bytes))
        yield Drill(first, second, officials, thief)


@contextmanager
def node(folder: Path, nation: NationId) -> Iterator[Node]:
    names = {"en": f"Nation {nation}", "ar": f"الدولة {nation}", "fr": f"Nation {nation}"}
    settings = Settings(nation=nation, names=names, contact="duty@x.example", listen_port=free_port())
    found(DataFolder(folder / nation), settings, PASSPHRASE, CLOCK.now())
    made = compose(folder / nation, passphrase=PASSPHRASE, clock=CLOCK)
    yield made
    made.close()


def hand_over(node: Node, officials: Sequence[RootKey]) -> None:
    """Let two of three officials take over from the founder, whose key file is destroyed."""
    founder = root_file.read(node.folder.first_root.read_bytes(), PASSPHRASE)
    roots = [each.root for each in officials]
    made = node.own_keys.draft(keyring_of(node).current(), at=CLOCK.now(), roots=roots, threshold=2)
    envelope = unsigned(made)
    for each in (founder, *officials[:2]):
        envelope = root_file.sign(envelope, each)
    publish(node, envelope, at=CLOCK.now(), actor="operator")
    node.folder.first_root.unlink()


def agree(first: Node, second: Node) -> None:
    at = CLOCK.now()
    terms = Treaty(at, (XA, XB), DEFAULT_TERMS).document
    parties = [
        msgspec.structs.replace(each, key_id=own_card(node.folder).verify_key.key_id)
        for each, node in zip(terms.parties, (first, second), strict=True)
    ]
    document = msgspec.structs.replace(terms, parties=parties)
    envelope = first.agreements.propose(document, first.signer, at=at, actor="p").envelope.encode()
    second.agreements.receive(envelope, at=at, actor="p")
    whole = second.agreements.sign(document.id, second.signer, at=at, actor="p").envelope.encode()
    first.agreements.receive(whole, at=at, actor="p")
    first.exchange.stand(document.id, "defence", at=at, actor="p")


def stolen_copy(node: Node, folder: Path) -> Path:
    """What a thief takes: the key file; the passphrase came out of the signer's memory."""
    return Path(shutil.copy(node.folder.keys, folder / "stolen.keys"))


def test_the_officials_speak_and_the_channel_heals_without_a_voice_call(drill: Drill) -> None:
    before = drill.add(1)
    until(lambda: drill.has(before), 20)
    assert drill.steal_in().status_code == 200
    compromised = CLOCK.now()
    drill.speak(drill.officials[1:])
    after = drill.add(2)
    until(lambda: drill.has(after), 70)
    until(lambda: drill.steal_in().status_code == 401, 70)
    with drill.second.db.read() as connection:
        partner = drill.second.partners.get(connection, XA)
        (agreement,) = drill.second.agreements.current(connection, CLOCK.now())
        touched = received_since(connection, XA, compromised)
    assert (partner.standing, partner.statement_version) == (Standing.TRUSTED, 3)
    assert partner.card.verify_key == own_card(drill.first.folder).verify_key != drill.thief.verify_key
    assert agreement.state(CLOCK.now()) is State.IN_FORCE
    assert [each.objects for each in touched] == [(after,)]


def test_what_the_thief_signs_or_shows_is_refused_once_the_statement_is_known(drill: Drill) -> None:
    stolen_card = drill.first.card_bytes()
    drill.speak(drill.officials[:2])
    with drill.first.db.read() as connection:
        row = [each.envelope for each in drill.first.partners.statements(connection, XA)]
    drill.second.partners.take_statements(XA, row, at=CLOCK.now(), actor="by file")
    assert drill.steal_in().status_code == 401
    with pytest.raises(KeyChanged, match="did not authorise"):
        drill.second.partners.add(stolen_card, at=CLOCK.now(), actor="thief")


def test_partners_refuse_within_the_max_age_even_if_nobody_tells_them(drill: Drill) -> None:
    object_id = drill.add(1)
    until(lambda: drill.has(object_id), 20)
    with drill.second.db.read() as connection:
        partner = drill.second.partners.get(connection, XA)
    assert partner.status_at is not None
    assert not partner.is_stale(CLOCK.now(), MAX_AGE)
    assert partner.is_stale(CLOCK.now() + MAX_AGE + timedelta(minutes=1), MAX_AGE)
    assert partner.status_expires_at is not None
    receiving, frame = Receiving(drill.second.channel), forged(drill)
    with pytest.raises(KeysExpired, match="XA"):
        receiving.take(XA, frame, partner.status_expires_at)
    assert receiving.take(XA, frame, partner.status_expires_at - timedelta(minutes=1)) == "void"


def forged(drill: Drill) -> Unverified:
    """A release that the thief makes with the stolen key: empty, and formally right."""
    number = Receiving(drill.second.channel).cursor(XA) + 1
    document = ReleaseDocument(new_id("release"), XA, XB, number, CLOCK.now(), "void", ACTUAL, None, "withdrawal")
    envelope = drill.thief.sign(RELEASE_TYPE, document.encode())
    (frame,) = split_frames(seal_frame(envelope, b"", XA, XB, number, own_card(drill.second.folder).seal_key))
    return frame


def test_one_official_cannot_speak_alone_and_the_loss_of_all_needs_a_new_voice_call(
    drill: Drill, tmp_path: Path
) -> None:
    with pytest.raises(BadStatement, match="1 of the 2 root keys"):
        drill.speak(drill.officials[:1])
    with node(tmp_path / "anew", XA) as founded_anew:
        card = founded_anew.card_bytes()
    with pytest.raises(KeyChanged, match="remove and add it anew"):
        drill.second.partners.add(card, at=CLOCK.now(), actor="p")
    drill.second.partners.remove(XA, at=CLOCK.now(), actor="p")
    assert drill.second.partners.add(card, at=CLOCK.now(), actor="p").standing is Standing.PENDING


def test_a_partner_that_nobody_knows_cannot_be_brought_in_by_its_card(drill: Drill, tmp_path: Path) -> None:
    with node(tmp_path / "stranger", NationId("XC")) as stranger:
        client = PartnerClient(NationId("XC"), XB, drill.second.settings.partner_url, stranger.signer, CLOCK)
        with pytest.raises(PartnerRefused, match="no card of this nation"):
            client.send_card(stranger.card_bytes())
        client.close()
    with drill.second.db.read() as connection:
        assert [each.nation for each in drill.second.partners.all(connection)] == [XA]
