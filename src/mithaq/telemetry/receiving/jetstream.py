"""Pull from NATS JetStream: a message is acknowledged only after its lines are synced to the spool.

The consumer is durable and shared: every node and every receiver that names it gets a part of the stream, and what
one did not acknowledge goes to another. A line's place comes from the message's sequence in the stream, so a message
that is delivered twice gives the same events again and no new ones; nor is it kept twice (`taken`).
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from mithaq.telemetry.errors import PushRefused, PushTooLarge
from mithaq.telemetry.feeds import NatsFeed
from mithaq.telemetry.receiving.basket import Told
from mithaq.telemetry.receiving.taken import Taken

_log = logging.getLogger(__name__)
_BATCH: Final = 64
_FETCH_S: Final = 5.0
_RETRY_S: Final = 1.0
_ACK_WAIT_S: Final = 30.0
_MAX_CREDENTIALS_CHARS: Final = 64 * 1024
OFFSET_BITS: Final = 26
"""A message is smaller than 64 MiB (NATS: `max_payload`); its sequence stands above its lines' offsets."""

Append = Callable[[bytes, int], int]


class JetStreamReader:
    """One reader of a durable consumer."""

    def __init__(self, feed: NatsFeed, append: Append, folder: Path) -> None:
        """Keep what is read with `append`, and in the spool's folder which messages that were."""
        self._feed = feed
        self._append = append
        self._folder = folder
        self._taken: Taken | None = None
        self.told = Told({})
        self.trouble = ""

    async def run(self) -> None:
        """Pull until cancelled; a server that is away is tried again."""
        while True:
            try:
                await self._connected()
            except (OSError, TimeoutError, ValueError, NatsError, ssl.SSLError) as error:
                self.trouble = f"{type(error).__name__}: {error}"[:300]
                _log.warning("the stream %s cannot be read: %s", self._feed.stream, self.trouble)
            await asyncio.sleep(_RETRY_S)

    async def _connected(self) -> None:
        credentials = await asyncio.to_thread(_credentials, self._feed.credentials)
        client = await nats.connect(
            list(self._feed.servers),
            **credentials,
            tls=_tls(self._feed),
            name="mithaq",
            max_reconnect_attempts=3,
            reconnect_time_wait=_RETRY_S,
            connect_timeout=5,
            error_cb=self._note_error,
        )
        try:
            await self._pull(client)
        finally:
            await client.close()

    async def _note_error(self, error: Exception) -> None:
        self.trouble = f"{type(error).__name__}: {error}"[:300]

    async def _pull(self, client: Client) -> None:
        context = client.jetstream()
        made_at = await self._declare(context)
        self._taken = await asyncio.to_thread(Taken, self._folder, f"{self._feed.stream} {made_at}", OFFSET_BITS)
        consumer = await context.pull_subscribe_bind(consumer=self._feed.consumer, stream=self._feed.stream)
        while not client.is_closed:
            try:
                messages = await consumer.fetch(_BATCH, timeout=_FETCH_S)
            except TimeoutError:
                self.trouble = "" if client.is_connected else self.trouble or "the server is away"
                continue
            self.trouble = ""
            for message in messages:
                await self._keep(message)

    async def _declare(self, context: JetStreamContext) -> datetime:
        """Make the durable consumer where nobody has made it yet; an existing one stays as it is.

        Returns when the stream was made; where this node may not know that, when the consumer was.
        """
        try:
            consumer = await context.consumer_info(self._feed.stream, self._feed.consumer)
        except NotFoundError:
            wanted = ConsumerConfig(
                durable_name=self._feed.consumer,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=_ACK_WAIT_S,
                deliver_policy=DeliverPolicy.ALL,
                filter_subject=self._feed.subject or None,
            )
            consumer = await context.add_consumer(self._feed.stream, wanted)
        try:
            stream_made_at = (await context.stream_info(self._feed.stream)).created
        except (NatsError, TimeoutError):
            stream_made_at = None
        made_at: datetime = stream_made_at or consumer.created
        return made_at

    async def _keep(self, message: Msg) -> None:
        """Put a message into the spool, then acknowledge it; a full disk makes it wait here, and be sent again."""
        sequence = message.metadata.sequence.stream
        taken = self._taken
        while taken is not None and sequence not in taken:
            try:
                await asyncio.to_thread(self._append, message.data, sequence << OFFSET_BITS)
            except PushTooLarge as error:
                self.told.add(f"message {sequence}: {error}")  # it would never fit
            except PushRefused as error:
                self.trouble = str(error)
                await message.in_progress()
                await asyncio.sleep(_RETRY_S)
                continue
            taken.add(sequence)
        await message.ack()


def _credentials(path: str) -> dict[str, Any]:
    """Read a file of credentials anew at each connection: NATS' own (`.creds`), `user:password`, or a token.

    Raises:
        OSError: it cannot be read.
    """
    if not path:
        return {}
    text = Path(path).read_text(encoding="utf-8", errors="replace")[:_MAX_CREDENTIALS_CHARS]
    if "BEGIN NATS USER JWT" in text:
        return {"user_credentials": path}
    user, colon, password = text.strip().partition(":")
    return {"user": user, "password": password} if colon else {"token": user}


def _tls(feed: NatsFeed) -> ssl.SSLContext | None:
    if not feed.ca and not any(server.startswith("tls://") for server in feed.servers):
        return None
    return ssl.create_default_context(cafile=feed.ca or None)
