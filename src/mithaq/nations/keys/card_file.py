"""A card's file: the card and beside it the row of key statements; and tags by which partners tell newer from older.

Source: DSSE v1.0 lets readers ignore fields of an envelope they do not know, so that the file still reads as the card.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339
from mithaq.kernel.signing import read_envelope
from mithaq.nations.keys.errors import BadStatement
from mithaq.nations.keys.rules import read_statement
from mithaq.nations.keys.settings import MAX_CHAIN_BYTES
from mithaq.nations.model import Card

_TAG = re.compile(r"(\d{1,15})\.(\d{1,9})", re.ASCII)


def with_statements(card: bytes, statements: Sequence[bytes]) -> bytes:
    """Return a card's file: the card's envelope with the row of statements beside it.

    DSSE lets readers ignore fields they do not know, so that the file still reads as the card alone.
    """
    value = canonical.loads(card) | {"statements": [canonical.loads(each) for each in statements]}
    return canonical.dumps(value)


def split_card_file(data: bytes, *, max_bytes: int) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the card's own envelope and the statements that came with it; nothing is verified.

    Raises:
        BadJson: the bytes are no strict JSON, or too large.
        BadStatement: what stands in the place of the statements is none.
    """
    value = canonical.loads(data, max_bytes=max_bytes, subject="card")
    if not isinstance(value, dict):
        return data, ()
    statements = value.pop("statements", [])
    if not isinstance(statements, list) or not all(isinstance(each, dict) for each in statements):
        raise BadStatement("the card comes without a readable row of key statements")
    return canonical.dumps(value), tuple(canonical.dumps(each) for each in statements)


def trimmed(data: bytes, version: int) -> bytes:
    """Return a card file with only the statements after a version."""
    alone, row = split_card_file(data, max_bytes=MAX_CHAIN_BYTES)
    later = [each for each in row if read_statement(read_envelope(each)).version > version]
    return with_statements(alone, later)


def card_tag(card: Card, version: int) -> str:
    """Return a short name for a card with its newest statement, by which partners tell whether theirs is older."""
    return f"{int(card.issued_at.timestamp() * 1000)}.{version}"


def is_newer(tag: str, known: str) -> bool:
    """Tell whether a tag, as somebody else wrote it, names a newer card or statement than the known one."""
    found, held = (_TAG.fullmatch(each) for each in (tag, known))
    if not found or not held:
        return False
    return any(int(found[place]) > int(held[place]) for place in (1, 2))


@lru_cache(maxsize=16)
def tag_of_file(data: bytes) -> str:
    """Return the tag of this nation's own card file."""
    alone, row = split_card_file(data, max_bytes=MAX_CHAIN_BYTES)
    payload = canonical.loads(read_envelope(alone).payload)
    issued_at = from_rfc3339(payload["issued_at"])
    version = read_statement(read_envelope(row[-1])).version if row else 0
    return f"{int(issued_at.timestamp() * 1000)}.{version}"
