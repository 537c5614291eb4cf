"""Found a node: its folder, settings, keys, card and empty database."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from mithaq.kernel import keystore
from mithaq.kernel.errors import Error
from mithaq.kernel.keystore import Keys
from mithaq.kernel.sealing import SealKey
from mithaq.kernel.signing import Signer
from mithaq.nations.model import CARD_TYPE, Card, OnlineKeys
from mithaq.nations.rules import card_payload, nation_code, read_card
from mithaq.nations.signer import LocalSigner
from mithaq.node.data_folder import DataFolder
from mithaq.node.migrations import migrate
from mithaq.node.settings import Settings, read_settings, write_settings

_log = logging.getLogger(__name__)


class AlreadyFounded(Error):
    """A folder that holds a node already."""

    code = "already-founded"


def found(folder: DataFolder, settings: Settings, passphrase: bytes, at: datetime) -> Card:
    """Create a node; nothing in an existing one is ever overwritten.

    Raises:
        AlreadyFounded: the folder holds a node.
        KeystoreLocked: the passphrase is too short.
    """
    if folder.settings.exists() or folder.keys.exists():
        raise AlreadyFounded("there is a node in this folder already; nothing was changed", subject=str(folder.root))
    folder.prepare()
    keys = Keys.generate()
    keystore.write(folder.keys, keys, passphrase)
    write_settings(folder.settings, settings)
    migrate(database_url(folder, settings))
    online = OnlineKeys(keys.signing.verify_key, keys.log_public, *keys.witness_public)
    return issue_card(
        folder, settings, LocalSigner(keys, nation_code(settings.nation)), online, keys.opening[0].seal_key, at
    )


def issue_card(
    folder: DataFolder, settings: Settings, signer: Signer, online: OnlineKeys, seal_key: SealKey, at: datetime
) -> Card:
    """Sign this nation's card anew, for instance after an address has changed, and keep it."""
    card = Card(
        nation=nation_code(settings.nation),
        names=settings.names,
        verify_key=online.verify_key,
        seal_key=seal_key,
        log_key=online.log_key,
        witness_ed25519=online.witness_ed25519,
        witness_mldsa44=online.witness_mldsa44,
        addresses=(settings.partner_url,),
        contact=settings.contact,
        issued_at=at,
        expires_at=at + timedelta(days=settings.card_valid_days),
    )
    fresh = folder.card.with_suffix(".new")
    fresh.write_bytes(signer.sign(CARD_TYPE, card_payload(card)))
    fresh.replace(folder.card)
    return card


def own_card(folder: DataFolder) -> Card:
    """Return this nation's card.

    Raises:
        BadCard: it was changed on disk.
    """
    return read_card(folder.card.read_bytes(), _issued(folder.card))


def renew_card(folder: DataFolder, signer: Signer, at: datetime, *, within_days: int = 30) -> bool:
    """Issue the card anew when its address changed or its end is near; tell whether it was."""
    settings, card = read_settings(folder.settings), own_card(folder)
    current = replace(card, addresses=(settings.partner_url,), contact=settings.contact, names=settings.names)
    if current == card and card.expires_at - at > timedelta(days=within_days):
        return False
    issue_card(folder, settings, signer, card.online_keys, card.seal_key, at)
    return True


def database_url(folder: DataFolder, settings: Settings) -> str:
    """Return the address of the node's database."""
    return settings.database or f"sqlite:///{folder.database}"


def _issued(path: Path) -> datetime:
    """Return the instant of a card's issue: an own card is read whatever its age, to be renewed."""
    from mithaq.kernel import canonical
    from mithaq.kernel.clock import from_rfc3339
    from mithaq.kernel.signing import read_envelope

    return from_rfc3339(canonical.loads(read_envelope(path.read_bytes()).payload)["issued_at"])
