"""Found a node: its folder, settings, keys, card and empty database."""

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from mithaq.kernel import keystore
from mithaq.kernel.database import Database
from mithaq.kernel.durable import replace_whole
from mithaq.kernel.errors import Error
from mithaq.kernel.keystore import Keys
from mithaq.kernel.signing import Signer
from mithaq.nations.keys import root_file
from mithaq.nations.keys.card_file import split_card_file, with_statements
from mithaq.nations.keys.keyring import FileKeyring
from mithaq.nations.keys.model import Signed, SubKey
from mithaq.nations.keys.rules import root_hash, unsigned
from mithaq.nations.keys.service import OwnKeys
from mithaq.nations.keys.settings import SUB_KEY_VALID
from mithaq.nations.model import CARD_TYPE, Card
from mithaq.nations.rules import MAX_CARD_FILE_BYTES, card_payload, nation_code, read_card
from mithaq.node.data_folder import DataFolder
from mithaq.node.migrations import migrate
from mithaq.node.settings import Settings, read_settings, write_settings

_log = logging.getLogger(__name__)
FIRST_ROOT = "founder"


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
    keyring = FileKeyring(folder.keys, nation_code(settings.nation), passphrase, Keys.generate(at))
    keystore.write(folder.keys, keyring.keys, passphrase)
    write_settings(folder.settings, settings)
    url = database_url(folder, settings)
    migrate(url)
    with closing(Database.open(url)) as db:
        row = _first_statement(folder, OwnKeys(db, nation_code(settings.nation)), keyring, at)
    return issue_card(folder, settings, keyring.signer, row, keyring.sealing(), at)


def _first_statement(folder: DataFolder, own: OwnKeys, keyring: FileKeyring, at: datetime) -> Sequence[Signed]:
    """Make the nation's first root key, one of one, and let it say which keys the node signs with."""
    root = root_file.draw(FIRST_ROOT)
    root_file.write(folder.first_root, root, keyring.passphrase)
    statement = own.draft(keyring.current(), at=at, roots=[root.root])
    return [own.publish(root_file.sign(unsigned(statement), root), at=at, actor=FIRST_ROOT)]


def issue_card(
    folder: DataFolder, settings: Settings, signer: Signer, row: Sequence[Signed], sealing: SubKey, at: datetime
) -> Card:
    """Sign this nation's card anew, for instance after an address has changed, and keep it with its statements."""
    online = row[-1].statement.online
    card = Card(
        nation=nation_code(settings.nation),
        names=settings.names,
        verify_key=online.verify_key,
        seal_key=sealing.key,
        log_key=online.log_key,
        witness_ed25519=online.witness_ed25519,
        witness_mldsa44=online.witness_mldsa44,
        addresses=(settings.partner_url,),
        contact=settings.contact,
        issued_at=at,
        expires_at=at + timedelta(days=settings.card_valid_days),
        root_hash=root_hash(row[0].statement),
        seal_expires_at=sealing.made_at + SUB_KEY_VALID,
    )
    envelope = signer.sign(CARD_TYPE, card_payload(card))
    replace_whole(folder.card, with_statements(envelope, [each.envelope for each in row]), mode=0o666)
    return card


def own_card(folder: DataFolder) -> Card:
    """Return this nation's card.

    Raises:
        BadCard: it was changed on disk.
    """
    return read_card(folder.card.read_bytes(), _issued(folder.card))


def renew_card(
    folder: DataFolder,
    signer: Signer,
    row: Sequence[Signed],
    sealing: SubKey,
    at: datetime,
    *,
    within_days: int = 30,
    anyway: bool = False,
) -> bool:
    """Issue the card anew when what it says is no longer so, or its end is near; tell whether it was."""
    settings, card = read_settings(folder.settings), own_card(folder)
    current = replace(
        card,
        addresses=(settings.partner_url,),
        contact=settings.contact,
        names=settings.names,
        verify_key=row[-1].statement.online.verify_key,
        log_key=row[-1].statement.online.log_key,
        witness_ed25519=row[-1].statement.online.witness_ed25519,
        witness_mldsa44=row[-1].statement.online.witness_mldsa44,
        seal_key=sealing.key,
    )
    _, shown = split_card_file(folder.card.read_bytes(), max_bytes=MAX_CARD_FILE_BYTES)
    is_whole = shown == tuple(each.envelope for each in row)
    if not anyway and is_whole and current == card and card.expires_at - at > timedelta(days=within_days):
        return False
    issue_card(folder, settings, signer, row, sealing, at)
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
