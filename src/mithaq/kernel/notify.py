"""Wake this machine's readers when another machine has written to the same PostgreSQL.

Processes of one machine wake each other by datagram; across machines the commit's NOTIFY carries the news here.
"""

import logging
import threading

import psycopg

from mithaq.kernel.database import NOTIFY_CHANNEL, Database
from mithaq.kernel.wake import Waker

_log = logging.getLogger(__name__)
_LISTEN_S = 1.0
_RETRY_S = 2.0


def forward_notifications(db: Database, waker: Waker, stop: threading.Event) -> None:
    """Listen until stopped, and wake whoever waits here for what others committed."""
    address = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    while not stop.is_set():
        try:
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
                while not stop.is_set():
                    for notification in connection.notifies(timeout=_LISTEN_S):
                        origin, _, kinds = notification.payload.partition(" ")
                        if origin != waker.origin:
                            waker.wake(kinds.split())
        except psycopg.Error as error:
            _log.warning("the database's notifications broke off: %s", error)
            stop.wait(_RETRY_S)
