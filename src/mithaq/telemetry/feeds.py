"""From where the lines of a source come: a syslog listener, a NATS JetStream consumer, or files that are scanned.

A feed is kept beside its source as JSON. It names files of credentials and keys and never holds them.
"""

import ipaddress
from pathlib import Path
from typing import Annotated

import msgspec

from mithaq.telemetry.errors import BadSource

_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,120}$")]


class SyslogFeed(msgspec.Struct, frozen=True, tag="syslog", tag_field="type", forbid_unknown_fields=True):
    """Listen for syslog: TCP and UDP, or TLS where a certificate is named; only from the allowed networks."""

    host: str
    port: _Port
    allow: tuple[str, ...]
    certificate: str = ""
    key: str = ""
    client_ca: str = ""

    def allows(self, address: str) -> bool:
        """Tell whether a sender's address is in one of the networks."""
        try:
            sender = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        plain = getattr(sender, "ipv4_mapped", None) or sender
        return any(plain in ipaddress.ip_network(each) for each in self.allow)


class NatsFeed(msgspec.Struct, frozen=True, tag="nats", tag_field="type", forbid_unknown_fields=True):
    """Pull from a JetStream stream as one of the readers of a durable consumer."""

    servers: tuple[str, ...]
    stream: _Name
    consumer: _Name = "mithaq"
    subject: str = ""
    credentials: str = ""
    ca: str = ""


class FilesFeed(msgspec.Struct, frozen=True, tag="files", tag_field="type", forbid_unknown_fields=True):
    """Scan the files of a folder, and write a line about each.

    `log`: Zeek's `files.log`, which says from which connection an extracted file came.
    """

    folder: str
    log: str = ""


Feed = SyslogFeed | NatsFeed | FilesFeed


def written(feed: Feed | None) -> str:
    """Return a feed as it is kept; nothing for a source that has none."""
    return "" if feed is None else msgspec.json.encode(feed).decode()


def feed_of(text: str) -> Feed | None:
    """Return the feed that was kept.

    Raises:
        BadSource: it is none of this program.
    """
    if not text:
        return None
    try:
        feed: Feed = msgspec.json.decode(text, type=Feed)
    except msgspec.DecodeError as error:
        raise BadSource("the feed of the source cannot be read: %(detail)s", detail=str(error)[:200]) from error
    return feed


def checked(feed: Feed, name: str) -> Feed:
    """Return the feed if it can be used.

    Raises:
        BadSource: an address, a network, a name or a file of it cannot.
    """
    fresh = feed_of(written(feed))
    if fresh is None:
        raise BadSource("the source has no feed", subject=name)
    files: tuple[str, ...]
    if isinstance(fresh, FilesFeed):
        files = (fresh.folder, fresh.log)
    elif isinstance(fresh, NatsFeed):
        files = (fresh.credentials, fresh.ca)
        if not fresh.servers:
            raise BadSource("name at least one NATS server", subject=name)
        if any("@" in server for server in fresh.servers):
            raise BadSource("name a file with the credentials, not the credentials", subject=name)
    else:
        files = (fresh.certificate, fresh.key, fresh.client_ca)
        _check_networks(fresh, name)
    for each in files:
        if each and not Path(each).is_absolute():
            raise BadSource("the path of a file must be absolute", subject=name)
    return fresh


def _check_networks(feed: SyslogFeed, name: str) -> None:
    if not feed.allow:
        raise BadSource("name the networks that may send: --allow 192.0.2.0/24", subject=name)
    if bool(feed.certificate) != bool(feed.key):
        raise BadSource("TLS needs both a certificate and its key", subject=name)
    for each in (feed.host, *feed.allow):
        try:
            ipaddress.ip_network(each)
        except ValueError as error:
            raise BadSource("%(value)s is no address or network", subject=name, value=each[:60]) from error
