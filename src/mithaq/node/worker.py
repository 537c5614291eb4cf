"""The worker's process: the journal's readers and the channels to partners. It holds no keys."""

import logging
import threading

from mithaq.exchange.channel.worker import ChannelWorker
from mithaq.exchange.letters import Letters
from mithaq.exchange.planning import Planning
from mithaq.kernel import journal
from mithaq.kernel.errors import Error
from mithaq.kernel.journal import Reader
from mithaq.kernel.notify import forward_notifications
from mithaq.kernel.wake import WakeListener
from mithaq.node.composition import Node

_log = logging.getLogger(__name__)
_RECOVERY_S = 5.0
_RETRY_S = 1.0


def run(node: Node, stop: threading.Event) -> None:
    """Work until stopped."""
    channels = ChannelWorker(node.channel, node.clock, node.run_dir, stop)
    threading.Thread(target=channels.run, name="channels", daemon=True).start()
    if node.db.dialect == "postgresql" and node.db.waker:
        listening = (node.db, node.db.waker, stop)
        threading.Thread(target=forward_notifications, args=listening, name="notifications", daemon=True).start()
    letters = (node, Letters(node.channel).reader(), stop)
    threading.Thread(target=follow, args=letters, name="letters", daemon=True).start()
    follow(node, Planning(node.channel).reader(), stop)


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
