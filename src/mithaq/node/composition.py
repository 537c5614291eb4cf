"""Put one node together: its services over one database. The only place that knows them all."""

import random
import time
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mithaq.agreements.service import Agreements
from mithaq.agreements.speaking import Statements
from mithaq.detection.hits.triage import Triage
from mithaq.detection.questions.service import Questions
from mithaq.detection.service import Detection
from mithaq.detection.yara.service import Files
from mithaq.exchange.consents import Consents
from mithaq.exchange.context import Context
from mithaq.exchange.duties.service import Duties
from mithaq.exchange.letters import Letters
from mithaq.exchange.log.flushing import Flusher
from mithaq.exchange.log.service import ReleaseLog
from mithaq.exchange.log.witnessing import Answer
from mithaq.exchange.misp.serving import Serving
from mithaq.exchange.orders import Orders
from mithaq.exchange.pushing.service import Targets
from mithaq.exchange.sources.credentials import Vault
from mithaq.exchange.sources.service import Sources
from mithaq.exchange.taxii.partners.service import PartnerAccounts
from mithaq.exchange.taxii.service import Collections
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.clock import Clock, SystemClock
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Signer
from mithaq.nations.constituents.service import Constituents
from mithaq.nations.keys.keyring import FileKeyring, Keyring, RemoteKeyring
from mithaq.nations.keys.service import OwnKeys
from mithaq.nations.model import Partner
from mithaq.nations.people.service import People
from mithaq.nations.service import Partners
from mithaq.nations.signer import RemoteSigner
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import database_url, own_card
from mithaq.node.settings import Settings, read_settings
from mithaq.response.sensors.contents import Writer
from mithaq.response.sensors.service import Sensors
from mithaq.response.service import Blocklists
from mithaq.response.settings import BlocklistSettings
from mithaq.telemetry.service import Telemetry

if TYPE_CHECKING:
    from mithaq.exchange.channel.client import WitnessClients
    from mithaq.exchange.pushing.pushing import Pushing
    from mithaq.exchange.sources.retrying import Retrying
    from mithaq.exchange.sources.running import Running


@dataclass
class Node:
    """One sovereign node; services are made when first asked for, so that each process holds only its own."""

    folder: DataFolder
    settings: Settings
    db: Database
    clock: Clock
    signer: Signer
    keyring: Keyring | None = None

    @property
    def nation(self) -> NationId:
        """Return this nation's code."""
        return NationId(self.settings.nation)

    @property
    def names(self) -> dict[str, str]:
        """Return this nation's name by language."""
        return self.settings.names

    @property
    def run_dir(self) -> Path:
        """Return the folder of sockets."""
        return self.folder.run

    @property
    def data(self) -> Path:
        """Return the data folder."""
        return self.folder.root

    @cached_property
    def partners(self) -> Partners:
        """Return the nations this node knows."""
        return Partners(self.db, self.nation)

    @cached_property
    def own_keys(self) -> OwnKeys:
        """Return this nation's key statements."""
        return OwnKeys(self.db, self.nation)

    @cached_property
    def agreements(self) -> Agreements:
        """Return the agreements this node has seen."""
        return Agreements(self.db, self.nation, own_card(self.folder).verify_key, self.partners)

    @cached_property
    def statements(self) -> Statements:
        """Return what parties say of their agreements after signing."""
        return Statements(self.db, self.nation, self.agreements)

    @cached_property
    def people(self) -> People:
        """Return the persons of this node."""
        return People(self.db)

    @cached_property
    def constituents(self) -> Constituents:
        """Return the organisations that this node serves."""
        return Constituents(self.db)

    @cached_property
    def collections(self) -> Collections:
        """Return what constituents read over TAXII."""
        return Collections(self.db, self.constituents)

    @cached_property
    def partner_accounts(self) -> PartnerAccounts:
        """Return with what partners' programs read over TAXII."""
        return PartnerAccounts(self.channel)

    @cached_property
    def misp(self) -> Serving:
        """Return what constituents read with MISP's programs."""
        name = self.names.get("en") or next(iter(self.names.values()), str(self.nation))
        return Serving(self.db, self.nation, name)

    @cached_property
    def holdings(self) -> Holdings:
        """Return what this node knows."""
        return Holdings(self.db)

    @cached_property
    def sources(self) -> Sources:
        """Return what this node fetches from the world."""
        return Sources(self.db, Vault(self.folder.source_key))

    @cached_property
    def push_targets(self) -> Targets:
        """Return to which constituents' MISP this node pushes."""
        return Targets(self.db, self.constituents, Vault(self.folder.source_key))

    @cached_property
    def pushing(self) -> "Pushing":
        """Return what pushes; a process that never does loads no web client."""
        from mithaq.exchange.misp.sighting import Sightings
        from mithaq.exchange.pushing.pushing import Pushing
        from mithaq.exchange.taxii.posting import Posting

        sightings = Sightings(self.db, self.holdings, Posting(self.db, self.holdings, self.nation), self.misp)
        vault = Vault(self.folder.source_key)
        return Pushing(self.db, self.misp, sightings, vault, self.clock, time.monotonic)

    @cached_property
    def fetching(self) -> "Running":
        """Return what runs sources; a process that never does loads no web client."""
        from mithaq.exchange.sources.running import Means, Running

        means = Means(self.clock, random.SystemRandom().random, time.monotonic)
        return Running(self.db, self.holdings, self.nation, Vault(self.folder.source_key), means)

    @cached_property
    def retrying(self) -> "Retrying":
        """Return what tries again what waits in the quarantine of sources."""
        from mithaq.exchange.sources.retrying import Retrying

        return Retrying(self.db, self.holdings, self.nation)

    @cached_property
    def warning_lists(self) -> WarningLists:
        """Return the lists of values that make poor indicators."""
        return WarningLists(self.folder.cache)

    @cached_property
    def channel(self) -> Context:
        """Return what the exchange stands on."""
        return Context(self.db, self.nation, self.holdings, self.agreements, self.partners, self.signer, self.flusher)

    @cached_property
    def flusher(self) -> Flusher:
        """Return this nation's release log, with the way to its witnesses."""
        log = ReleaseLog(self.db, self.nation, self.signer)
        return Flusher(self.db, log, self.partners, self._ask_witness)

    def _ask_witness(self, partner: Partner, request: bytes, at: datetime) -> Answer:
        return self.witnesses.ask(partner, request, at)

    @cached_property
    def witnesses(self) -> "WitnessClients":
        """Return the connections to partners as witnesses; a process that never asks one loads no web client."""
        from mithaq.exchange.channel.client import WitnessClients

        return WitnessClients(self.nation, self.signer, self.clock)

    @cached_property
    def exchange(self) -> Orders:
        """Return the decisions of people about releases."""
        return Orders(self.channel)

    @cached_property
    def letters(self) -> Letters:
        """Return the papers that travel between nations beside intelligence."""
        return Letters(self.channel)

    @cached_property
    def consents(self) -> Consents:
        """Return what originators were asked to let pass on."""
        return Consents(self.channel)

    @cached_property
    def duties(self) -> Duties:
        """Return what is owed under agreements, in both directions."""
        return Duties(self.channel)

    @cached_property
    def telemetry(self) -> Telemetry:
        """Return the sources of telemetry."""
        return Telemetry(self.db, self.data)

    @cached_property
    def files(self) -> Files:
        """Return the files that are scanned."""
        return Files(self.db, self.telemetry, self.data)

    @cached_property
    def detection(self) -> Detection:
        """Return the hits."""
        return Detection(self.db, self.holdings, self.nation)

    @cached_property
    def questions(self) -> Questions:
        """Return what people ask of the lake."""
        return Questions(self.db)

    @cached_property
    def triage(self) -> Triage:
        """Return the groups of hits, and what people decide about each."""
        return Triage(self.db, self.holdings, self.nation)

    @cached_property
    def blocklists(self) -> Blocklists:
        """Return what may be blocked."""
        settings = BlocklistSettings(permit_documentation_ranges=self.settings.permit_documentation_ranges)
        return Blocklists(self.db, self.holdings, self.nation, self.warning_lists, settings)

    @cached_property
    def sensors(self) -> Sensors:
        """Return the sensors that this node gives content to."""
        writer = Writer(self.nation, urlsplit(self.settings.public_url).netloc, self.blocklists.settings)
        return Sensors(self.db, writer, self.blocklists, self.constituents, self.agreements, self.signer, self.names)

    def card_bytes(self) -> bytes:
        """Return this nation's signed card."""
        return self.folder.card.read_bytes()

    def close(self) -> None:
        """Close the database, the connections to witnesses, and the way to the signer."""
        if "witnesses" in self.__dict__:  # made only where one was asked
            self.witnesses.close()
        self.db.close()
        if isinstance(self.signer, RemoteSigner):
            self.signer.close()


def compose(root: Path, *, passphrase: bytes | None = None, clock: Clock | None = None) -> Node:
    """Open a node's data folder.

    Keys are asked of the running signer; where none runs and a passphrase is given, they are opened here.

    Raises:
        BadSettings: there is no node in this folder.
        KeystoreLocked: the passphrase is wrong.
    """
    folder = DataFolder(root)
    settings = read_settings(folder.settings)
    folder.prepare()
    db = Database.open(database_url(folder, settings), run_dir=folder.run)
    remote = RemoteSigner(folder.run)
    if passphrase is None or remote.is_reachable():
        return Node(folder, settings, db, clock or SystemClock(), remote, RemoteKeyring(remote))
    keyring = FileKeyring.open(folder.keys, NationId(settings.nation), passphrase)
    return Node(folder, settings, db, clock or SystemClock(), keyring.signer, keyring)
