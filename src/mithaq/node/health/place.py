"""The folder a node lives in: settings, permissions, keys, disk, file system."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil

from mithaq.kernel import keystore
from mithaq.kernel.keystore import KeystoreLocked
from mithaq.kernel.reason import Reason
from mithaq.nations.model import Card
from mithaq.node.data_folder import DataFolder
from mithaq.node.health.model import Finding, Level, of_error
from mithaq.node.health.settings import CARD_WARNING, DISK_WARNING_BYTES, DISK_WRONG_BYTES, NETWORK_FILE_SYSTEMS
from mithaq.node.language import msgid
from mithaq.node.settings import Settings

_KEY_FILE_BEGINS = b"mithaq-keys-"


def permissions(folder: DataFolder) -> Iterator[Finding]:
    """Only the node's own user may look into its folder and its keys."""
    for path in (folder.root, folder.keys.parent, folder.keys):
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding(
                Level.WRONG,
                Reason(
                    "permissions",
                    "others may reach %(path)s (mode %(mode)s)",
                    {"path": str(path), "mode": f"{path.stat().st_mode & 0o777:o}"},
                    "run: chmod -R go-rwx %(path)s",
                ),
            )
            return
    yield Finding(Level.FINE, Reason("permissions", "only its own user may reach the data folder"))


def keys(folder: DataFolder, card: Card, passphrase: bytes | None) -> Iterator[Finding]:
    """The key file is there, encrypted, and where the passphrase is known, it opens and fits the card."""
    remedy = msgid("restore the key file from the backup; never found the node anew, partners would refuse its new key")
    if not folder.keys.is_file():
        yield Finding(Level.WRONG, Reason("keys", "the key file is missing", {}, remedy))
        return
    with folder.keys.open("rb") as file:
        if file.read(len(_KEY_FILE_BEGINS)) != _KEY_FILE_BEGINS:
            yield Finding(Level.WRONG, Reason("keys", "the key file is damaged or not encrypted", {}, remedy))
            return
    if passphrase is None:
        yield Finding(Level.FINE, Reason("keys", "the keys are there, encrypted"))
        return
    try:
        fits = keystore.read(folder.keys, passphrase).signing.verify_key == card.verify_key
    except KeystoreLocked as error:
        remedy = msgid("find the right passphrase file; without it the keys are lost")
        yield of_error("keys", error, remedy)
        return
    if fits:
        yield Finding(Level.FINE, Reason("keys", "the keys open and fit the card"))
    else:
        yield Finding(Level.WRONG, Reason("keys", "the keys are not those of the card", {}, remedy))


def own_card(card: Card, at: datetime) -> Iterator[Finding]:
    """The nation's own card is valid for a while yet."""
    left = card.expires_at - at
    params: dict[str, str | int] = {"days": max(0, left.days)}
    if left.total_seconds() <= 0:
        reason = Reason(
            "card", "this nation's card has expired", {}, "run: mithaq card renew, then send it to your partners"
        )
        yield Finding(Level.WRONG, reason)
    elif left < CARD_WARNING:
        remedy = msgid("run: mithaq card renew, then send it to your partners")
        reason = Reason("card", "this nation's card expires in %(days)s days", params, remedy)
        yield Finding(Level.WARNING, reason)
    else:
        yield Finding(Level.FINE, Reason("card", "this nation's card is valid for %(days)s days", params))


def disk(free: int, total: int) -> Iterator[Finding]:
    """There is room for what comes."""
    params: dict[str, str | int] = {"free": free // 1024**2, "total": total // 1024**2}
    if free >= max(DISK_WARNING_BYTES, total // 20):
        yield Finding(Level.FINE, Reason("disk", "%(free)s of %(total)s MiB are free", params))
        return
    level = Level.WRONG if free < DISK_WRONG_BYTES else Level.WARNING
    remedy = msgid("make room: old backups and logs first; the node refuses writes rather than lose any")
    yield Finding(level, Reason("disk", "only %(free)s of %(total)s MiB are free", params, remedy))


def file_system(kind: str, settings: Settings) -> Iterator[Finding]:
    """SQLite's locks do not hold on network file systems."""
    if settings.database:
        return
    if kind in NETWORK_FILE_SYSTEMS:
        reason = Reason(
            "file-system",
            "the database lies on a network file system (%(kind)s), where SQLite loses data",
            {"kind": kind},
            "move the data folder to a local disk, or use PostgreSQL",
        )
        yield Finding(Level.WRONG, reason)
    else:
        yield Finding(Level.FINE, Reason("file-system", "the database lies on a local disk (%(kind)s)", {"kind": kind}))


def file_system_of(path: Path) -> str:
    """Return the kind of file system a path lies on, `?` where it cannot be told."""
    place, best, kind = path.resolve(), -1, "?"
    for mounted in psutil.disk_partitions(all=True):
        at = Path(mounted.mountpoint)
        if (place == at or at in place.parents) and len(at.parts) > best:
            best, kind = len(at.parts), mounted.fstype or "?"
    return kind
