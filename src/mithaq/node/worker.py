"""The worker's process: the journal's readers and the channels to partners. It holds no keys."""

import logging
import threading
import time
from contextlib import AbstractContextManager, closing

from mithaq.detection.model import READER as DETECTION
from mithaq.detection.yara import worker as scanning
from mithaq.detection.yara.readers import READER as FILES
from mithaq.exchange.channel.membership import ChannelSource
from mithaq.exchange.channel.worker import ChannelWorker
from mithaq.exchange.duties.worker import DutyWorker
from mithaq.exchange.letters import Letters
from mithaq.exchange.membership.shown import Source
from mithaq.exchange.membership.watching import Open
from mithaq.exchange.membership.worker import ComparingWorker, MembershipWorker
from mithaq.exchange.planning import Planning
from mithaq.exchange.sources.worker import SourceWorker
from mithaq.exchange.taxii.partners.shelving import PartnerShelving
from mithaq.exchange.taxii.shelving import Shelving
from mithaq.intelligence.gathering import Gathering
from mithaq.kernel import journal
from mithaq.kernel.errors import Error
from mithaq.kernel.journal import Reader
from mithaq.kernel.notify import forward_notifications
from mithaq.kernel.wake import WakeListener
from mithaq.nations.model import Partner
from mithaq.node.composition import Node
from mithaq.node.key_care import settle
from mithaq.response.sensors import worker as bundles
from mithaq.response.sensors.readers import READER as SENSORS

_log = logging.getLogger(__name__)
_RECOVERY_S = 5.0
_RETRY_S = 1.0
_CARE_S = 600.0
_IDLE_S = 60.0
_AMID_IMPORTS_S = 5.0
_PAUSES = 3
"""The index is gathered in at most a quarter of the time: the writer is there for others."""

KEEPERS = (DETECTION, FILES, SENSORS)
"""Readers that keep copies of values of their own; a deletion is attested once they have erased them."""


def run(node: Node, stop: threading.Event) -> None:
    """Work until stopped."""
    duties = DutyWorker(node.channel, node.clock, node.run_dir, KEEPERS)
    try:
        duties.step()  # before any channel opens: a restored backup deletes again what it must not hold
    except Error as error:
        _log.error("duties: %s (%s)", error, error.private)
    threading.Thread(target=duties.run, args=(stop,), name="duties", daemon=True).start()
    channels = ChannelWorker(node.channel, node.clock, node.run_dir, stop, node.card_bytes)
    threading.Thread(target=channels.run, name="channels", daemon=True).start()
    threading.Thread(target=care, args=(node, stop), name="keys", daemon=True).start()
    if node.db.dialect == "postgresql" and node.db.waker:
        listening = (node.db, node.db.waker, stop)
        threading.Thread(target=forward_notifications, args=listening, name="notifications", daemon=True).start()
    membership = MembershipWorker(node.channel, node.clock, node.run_dir)
    threading.Thread(target=membership.run, args=(stop,), name="membership", daemon=True).start()
    comparing = ComparingWorker(node.channel, node.clock, node.run_dir, _opener(node))
    threading.Thread(target=comparing.run, args=(stop,), name="comparing", daemon=True).start()
    shelves = Shelving(node.db, node.nation, node.clock.now)
    threading.Thread(target=stock, args=(node, shelves, stop), name="shelves", daemon=True).start()
    abroad = PartnerShelving(node.channel, node.clock.now)
    threading.Thread(target=stock, args=(node, abroad, stop), name="partner-shelves", daemon=True).start()
    threading.Thread(target=gather, args=(node, stop), name="index", daemon=True).start()
    sources = SourceWorker(node.db, node.fetching, node.clock, node.run_dir)
    threading.Thread(target=sources.run, args=(stop,), name="sources", daemon=True).start()
    bundling = (node.db, node.sensors, node.run_dir, node.clock, stop)
    threading.Thread(target=bundles.run, args=bundling, name="sensors", daemon=True).start()
    scanner = threading.Thread(target=scan, args=(node, stop), name="files", daemon=True)
    scanner.start()
    letters = (node, Letters(node.channel).reader(), stop)
    threading.Thread(target=follow, args=letters, name="letters", daemon=True).start()
    follow(node, Planning(node.channel).reader(), stop)


def scan(node: Node, stop: threading.Event) -> None:
    """Scan the files of watched folders until stopped; what fails is begun anew."""
    while not stop.is_set():
        try:
            kept_days = node.settings.upload_days
            scanning.run(
                node.db, node.holdings, node.data, node.run_dir, clock=node.clock, stop=stop, kept_days=kept_days
            )
        except (Error, OSError) as error:
            _log.error("files: %s (%s)", error, getattr(error, "private", ""))
            stop.wait(_RECOVERY_S)


def _opener(node: Node) -> Open:
    def opened(partner: Partner, agreement_id: str) -> AbstractContextManager[Source]:
        return closing(ChannelSource(node.channel, node.clock, partner, agreement_id))

    return opened


def care(node: Node, stop: threading.Event) -> None:
    """Keep keys and card in line with the officials' newest statement and the calendar, until stopped."""
    with WakeListener(node.run_dir, "key-care", ("nations.statement",)) as listener:
        while not stop.is_set():
            try:
                if settle(node, node.clock.now()):
                    _log.info("this nation's card was issued anew")
                listener.wait(_CARE_S)
            except Error as error:
                _log.error("keys and card: %s (%s)", error, error.private)
                stop.wait(_RETRY_S)


def stock(node: Node, shelving: Shelving | PartnerShelving, stop: threading.Event) -> None:
    """Keep shelves: the journal's news first, then what was held before, until stopped."""
    reader = shelving.reader()
    with WakeListener(node.run_dir, reader.name, reader.kinds) as listener:
        while not stop.is_set():
            try:
                if shelving.is_idle():  # nobody waits: releases are not held up by a write for each piece of news
                    stop.wait(_RECOVERY_S)
                if journal.run_once(node.db, reader, node.clock.now()) or shelving.fill(node.clock.now()):
                    continue
                listener.wait(_RECOVERY_S)
            except Error as error:
                _log.error("shelves: %s (%s)", error, error.private)
                stop.wait(_RETRY_S)


def gather(node: Node, stop: threading.Event) -> None:
    """Gather the index of what was stored before, seldom while a bulk import runs, until stopped."""
    gathering = Gathering(node.db)
    while not stop.is_set():
        began = time.monotonic()
        try:
            if not gathering.step(node.clock.now()):
                stop.wait(_IDLE_S)
            elif gathering.is_quiet():
                stop.wait(_PAUSES * (time.monotonic() - began))
            else:
                stop.wait(_AMID_IMPORTS_S)
        except Error as error:
            _log.error("index: %s (%s)", error, error.private)
            stop.wait(_IDLE_S)


def follow(node: Node, reader: Reader, stop: threading.Event) -> None:
    """Let one reader follow the journal until stopped; a failing database is tried again."""
    with WakeListener(node.run_dir, reader.name, reader.kinds) as listener:
        while not stop.is_set():
            try:
                if not journal.run_once(node.db, reader, node.clock.now()):
                    listener.wait(_RECOVERY_S)
            except Error as error:
                _log.error("reader %s: %s (%s)", reader.name, error, error.private)
                stop.wait(_RETRY_S)
