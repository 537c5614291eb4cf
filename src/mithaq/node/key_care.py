"""Bring a node's keys and card in line with its officials' newest statement and with the calendar.

Each step can be repeated, so that a crash between two of them is mended by the next call: the statement is in the
database first, then the key file follows it, then the card shows both.
"""

import fcntl
from datetime import datetime

from mithaq.kernel.signing import read_envelope
from mithaq.nations.errors import SignerUnreachable
from mithaq.nations.keys.card_file import split_card_file
from mithaq.nations.keys.errors import BadStatement, KeysNotHeld
from mithaq.nations.keys.keyring import Keyring
from mithaq.nations.keys.model import Signed
from mithaq.nations.keys.rules import read_statement
from mithaq.nations.keys.settings import MAX_STATEMENT_BYTES
from mithaq.nations.rules import MAX_CARD_FILE_BYTES
from mithaq.node.composition import Node
from mithaq.node.founding import renew_card

_LOCK = "card.lock"


def keyring_of(node: Node) -> Keyring:
    """Return who changes this node's keys.

    Raises:
        SignerUnreachable: nobody here may.
    """
    if node.keyring is None:
        raise SignerUnreachable("the signer does not answer; is the node running?")
    return node.keyring


def settle(node: Node, at: datetime, *, anyway: bool = False) -> bool:
    """Sign with the newest statement's keys, seal with this week's, and show both; tell whether the card is new.

    Raises:
        KeysNotHeld, SignerRefused, SignerUnreachable: the keys cannot follow the statement.
        BadStatement: there is none.
    """
    keyring = keyring_of(node)
    with (node.run_dir / _LOCK).open("w") as lock:  # the worker and a command would both write the card
        fcntl.flock(lock, fcntl.LOCK_EX)
        row = _own_row(node, at)
        keyring.activate(row[-1].statement.online)
        return renew_card(node.folder, node.signer, row, keyring.refresh_sealing(at), at, anyway=anyway)


def _own_row(node: Node, at: datetime) -> list[Signed]:
    """Return this nation's statements; a database that lost them takes them from the card's file."""
    with node.db.read() as connection:
        row = node.own_keys.row(connection)
    if not row:
        _, shown = split_card_file(node.card_bytes(), max_bytes=MAX_CARD_FILE_BYTES)
        row = [node.own_keys.publish(each, at=at, actor="node") for each in shown]
    if not row:
        raise BadStatement("the card comes without its root officials' key statements", subject=node.nation)
    return row


def publish(node: Node, envelope: bytes, *, at: datetime, actor: str) -> Signed:
    """Let this node follow a statement that enough officials have signed.

    Raises:
        BadJson, BadSignature, BadStatement: it is not acceptable; nothing was changed.
        KeysNotHeld: it authorises keys that this node does not have; nothing was changed.
    """
    wanted = read_statement(read_envelope(envelope, subject="statement", max_bytes=MAX_STATEMENT_BYTES)).online
    keyring = keyring_of(node)
    if wanted not in (keyring.current(), keyring.prepared()):
        raise KeysNotHeld("the statement authorises keys that this node does not hold; see `mithaq key rotate`")
    signed = node.own_keys.publish(envelope, at=at, actor=actor)
    settle(node, at)
    return signed
