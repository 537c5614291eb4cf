"""Pure decisions about key statements: reading, signatures, what follows from what.

A statement is accepted only in its place: the first one by its own roots, every later one by the threshold of the
roots before it and of its own. The checks are numbered in the order they are made (TUF 1.0.33 §5.3.3 to §5.3.11):

1. type, size, canonical JSON, vocabulary;
2. the nation is the one whose row this is;
3. the version is the next one: no rollback, no gap, no second text under a number;
4. the previous hash is that of the statement before;
5. it is not issued before its predecessor, nor in the future;
6. roots are distinct persons' keys in both halves, and never online keys;
7. revocations only grow, and a revoked key never comes back;
8. the threshold of the earlier roots has signed, each with both halves (§5.3.4);
9. the threshold of its own roots has signed (§5.3.4);
10. the newest one has not expired (§5.3.10), which is judged when the whole row was read.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Envelope, VerifyKey, read_envelope
from mithaq.nations.keys.errors import BadStatement
from mithaq.nations.keys.model import STATEMENT_FORMAT, STATEMENT_TYPE, KnownKey, Revocation, Root, Signed, Statement
from mithaq.nations.keys.settings import FUTURE_TOLERANCE, MAX_REVOKED, MAX_ROOTS, MAX_STATEMENT_BYTES
from mithaq.nations.model import Card, OnlineKeys
from mithaq.nations.rules import nation_code, online_keys_json, read_online_keys

_FIELDS = frozenset(
    {
        "format_version", "nation", "version", "previous_hash", "threshold", "roots", "online", "revoked",
        "issued_at", "expires_at",
    }
)  # fmt: skip
_MAX_NAME = 100


def payload_of(statement: Statement) -> bytes:
    """Return the canonical bytes that the officials sign."""
    return canonical.dumps(
        {
            "format_version": STATEMENT_FORMAT,
            "nation": statement.nation,
            "version": statement.version,
            "previous_hash": statement.previous_hash,
            "threshold": statement.threshold,
            "roots": [{"name": root.name, "key": root.key.as_json()} for root in statement.roots],
            "online": online_keys_json(statement.online),
            "revoked": [
                {"key_id": each.key_id, "compromised_at": rfc3339(each.compromised_at)} for each in statement.revoked
            ],
            "issued_at": rfc3339(statement.issued_at),
            "expires_at": rfc3339(statement.expires_at),
        }
    )


def hash_of(payload: bytes) -> str:
    """Return the SHA-256 that the next statement names, in hexadecimal."""
    return hashlib.sha256(payload).hexdigest()


def root_hash(statement: Statement) -> str:
    """Return the SHA-256 over nation, threshold and root keys, in hexadecimal; names are not part of it."""
    keys = [root.key.as_json() for root in sorted(statement.roots, key=lambda root: root.key.key_id)]
    roots = {"nation": statement.nation, "threshold": statement.threshold, "roots": keys}
    return hashlib.sha256(b"mithaq-roots-1\0" + canonical.dumps(roots)).hexdigest()


def read_statement(envelope: Envelope) -> Statement:
    """Read a statement whose signatures nobody has looked at yet (checks 1 and 6).

    Raises:
        BadStatement: another type, not in the vocabulary, or roots that are not distinct.
    """
    if envelope.payload_type != STATEMENT_TYPE:
        raise BadStatement("this is no key statement")
    try:
        value = canonical.loads_canonical(envelope.payload, max_bytes=MAX_STATEMENT_BYTES, subject="statement")
        statement = _statement(value)
    except BadStatement:
        raise
    except Error as error:
        raise BadStatement("%(detail)s", subject="statement", detail=str(error)[:200]) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadStatement(
            "a field of the statement is missing or malformed: %(detail)s", detail=str(error)[:80]
        ) from error
    _check_whole(statement)
    return statement


def _statement(value: dict[str, Any]) -> Statement:
    if value["format_version"] != STATEMENT_FORMAT:
        raise BadStatement(
            "statement format %(found)s is newer than this node reads", found=str(value["format_version"])[:20]
        )
    if set(value) != _FIELDS:
        raise ValueError("fields that are not in the vocabulary")
    return Statement(
        nation=nation_code(value["nation"]),
        version=_whole(value["version"]),
        previous_hash=None if value["previous_hash"] is None else _digest(value["previous_hash"]),
        threshold=_whole(value["threshold"]),
        roots=tuple(_root(each) for each in value["roots"]),
        online=read_online_keys(value["online"]),
        revoked=tuple(
            Revocation(_digest(each["key_id"]), from_rfc3339(each["compromised_at"])) for each in value["revoked"]
        ),
        issued_at=from_rfc3339(value["issued_at"]),
        expires_at=from_rfc3339(value["expires_at"]),
    )


def _whole(value: object) -> int:
    if type(value) is not int or not 1 <= value < 2**31:
        raise ValueError("no whole number above 0")
    return value


def _digest(value: object) -> str:
    if not isinstance(value, str) or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise ValueError("no SHA-256")
    return value


def _root(value: dict[str, Any]) -> Root:
    name = value["name"]
    if not isinstance(name, str) or not 1 <= len(name) <= _MAX_NAME:
        raise ValueError("a root without a name")
    return Root(name, VerifyKey.of_json(value["key"]))


def _check_whole(statement: Statement) -> None:
    if statement.expires_at <= statement.issued_at:
        raise BadStatement("it would expire before it is issued", subject=statement.nation)
    _check_roots(statement)
    _check_revoked(statement)


def _check_roots(statement: Statement) -> None:
    roots, nation = statement.roots, statement.nation
    if not 1 <= statement.threshold <= len(roots) <= MAX_ROOTS:
        raise BadStatement("the threshold is not met by as many roots as there are", subject=nation)
    for half in ("ed25519", "mldsa65"):
        keys = [getattr(root.key, half) for root in roots]
        if len(set(keys)) != len(keys):
            raise BadStatement("one root key stands for two officials", subject=nation)
        if getattr(statement.online.verify_key, half) in keys:
            raise BadStatement("a root key is used by the running node", subject=nation)
    if {statement.online.log_key, statement.online.witness_ed25519} & {root.key.ed25519 for root in roots}:
        raise BadStatement("a root key is used by the running node", subject=nation)


def _check_revoked(statement: Statement) -> None:
    nation = statement.nation
    revoked = {each.key_id for each in statement.revoked}
    if len(revoked) != len(statement.revoked) or len(revoked) > MAX_REVOKED:
        raise BadStatement("a key is revoked twice, or too many are", subject=nation)
    if any(each.compromised_at > statement.issued_at for each in statement.revoked):
        raise BadStatement("a key is revoked from a day that is still to come", subject=nation)
    if statement.online.verify_key.key_id in revoked:
        raise BadStatement("it authorises a key that is revoked", subject=nation)


def accept(data: bytes, previous: Signed | None, nation: NationId, at: datetime) -> Signed:
    """Verify that a statement follows from the one before it (`None`: it is the first).

    Raises:
        BadJson, BadSignature: no DSSE envelope, or one in which a key signs twice.
        BadStatement: says which of the numbered checks failed; nothing was changed.
    """
    envelope = read_envelope(data, subject="statement", max_bytes=MAX_STATEMENT_BYTES)
    statement = read_statement(envelope)
    if statement.nation != nation:
        raise BadStatement("the statement is about %(found)s", subject=nation, found=statement.nation)
    digest = hash_of(envelope.payload)
    _check_place(statement, digest, previous)
    _check_times(statement, previous, at)
    if previous:
        _check_revocations(statement, previous.statement)
        _check_threshold(envelope, previous.statement, nation)
    _check_threshold(envelope, statement, nation)
    _refuse_strangers(envelope, statement, previous)
    return Signed(statement, digest, envelope.encode())


def _check_place(statement: Statement, digest: str, previous: Signed | None) -> None:
    known, found, nation = previous.statement.version if previous else 0, statement.version, statement.nation
    if previous and statement.version == known and digest != previous.hash:
        raise BadStatement(
            "two different statements carry number %(known)s: call the nation", subject=nation, known=known
        )
    if statement.version <= known:
        raise BadStatement(
            "statement %(found)s is older than number %(known)s, which is known here",
            subject=nation,
            found=found,
            known=known,
        )
    if statement.version > known + 1:
        raise BadStatement(
            "statement %(found)s came where the one after %(known)s is due; ask for those between",
            subject=nation,
            found=found,
            known=known,
        )
    if statement.previous_hash != (previous.hash if previous else None):
        raise BadStatement("it does not name the statement before it", subject=nation)


def _check_times(statement: Statement, previous: Signed | None, at: datetime) -> None:
    if previous and statement.issued_at <= previous.statement.issued_at:
        raise BadStatement("it is issued before its predecessor", subject=statement.nation)
    if statement.issued_at > at + FUTURE_TOLERANCE:
        raise BadStatement(
            "it is issued in the future, on %(when)s", subject=statement.nation, when=rfc3339(statement.issued_at)
        )


def _check_revocations(statement: Statement, previous: Statement) -> None:
    now = {each.key_id: each.compromised_at for each in statement.revoked}
    for each in previous.revoked:
        if each.key_id not in now or now[each.key_id] > each.compromised_at:
            raise BadStatement("it takes a revocation back", subject=statement.nation)


def _check_threshold(envelope: Envelope, roots_of: Statement, nation: NationId) -> None:
    count = len(signers(envelope, roots_of.roots))
    if count < roots_of.threshold:
        raise BadStatement(
            "signed by %(count)s of the %(threshold)s root keys of statement %(version)s that are needed "
            "(Ed25519 and ML-DSA-65, both must verify)",
            subject=nation,
            count=count,
            threshold=roots_of.threshold,
            version=roots_of.version,
        )


def _refuse_strangers(envelope: Envelope, statement: Statement, previous: Signed | None) -> None:
    roots = {root.key.key_id for each in (statement, previous and previous.statement) if each for root in each.roots}
    if any(key_id.partition(":")[2] not in roots for key_id, _ in envelope.signatures):
        raise BadStatement("it carries a signature of somebody who is no root", subject=statement.nation)


def signers(envelope: Envelope, roots: Iterable[Root]) -> tuple[Root, ...]:
    """Return the roots that have signed with both halves; each counts once."""
    return tuple(root for root in roots if envelope.holds_for(root.key))


def accept_row(data: Sequence[bytes], known: Sequence[Signed], nation: NationId, at: datetime) -> tuple[Signed, ...]:
    """Return the statements that are new, each verified in its place; those known already must be the same.

    `known` is the whole row known here, oldest first.

    Raises:
        BadJson, BadSignature, BadStatement: nothing of the row is to be kept.
    """
    row, texts = list(known), {each.statement.version: each.hash for each in known}
    for each in data:
        envelope = read_envelope(each, subject="statement", max_bytes=MAX_STATEMENT_BYTES)
        version = read_statement(envelope).version
        if texts.get(version) == hash_of(envelope.payload):
            continue
        if version <= len(row):
            _check_place(read_statement(envelope), hash_of(envelope.payload), row[version - 1])
        row.append(accept(each, row[-1] if row else None, nation, at))
        texts[version] = row[-1].hash
    return tuple(row[len(known) :])


def check_current(newest: Statement, at: datetime) -> None:
    """Refuse a row of statements whose newest has expired (check 10).

    Raises:
        BadStatement: it has.
    """
    if at >= newest.expires_at:
        raise BadStatement(
            "the newest key statement expired on %(when)s", subject=newest.nation, when=rfc3339(newest.expires_at)
        )


def authorises(newest: Statement, first: Statement, card: Card) -> bool:
    """Tell whether a card's keys are those of the newest statement, and its fingerprint that of the first roots."""
    return (card.nation, card.online_keys, card.root_hash) == (newest.nation, newest.online, root_hash(first))


def known_keys(statements: Sequence[Statement]) -> list[KnownKey]:
    """Return every signing key that a row of statements authorised, oldest first, with what became of it."""
    found: dict[str, KnownKey] = {}
    compromised = {each.key_id: each.compromised_at for each in statements[-1].revoked} if statements else {}
    for place, statement in enumerate(statements):
        key = statement.online.verify_key
        later = [each.issued_at for each in statements[place + 1 :] if each.online.verify_key != key]
        since = found[key.key_id].authorised_at if key.key_id in found else statement.issued_at
        retired = later[0] if later else None
        found[key.key_id] = KnownKey(statement.nation, key, since, retired, compromised.get(key.key_id))
    return list(found.values())


def counts(key: KnownKey, held_since: datetime | None) -> bool:
    """Tell whether a lasting signature of a key counts, such as one under an agreement.

    A key that was ever authorised counts for what it signed, also after it was rotated away. A revoked one counts only
    for what this node held before the compromise: a date inside the document is the signer's, and so the thief's, word.
    """
    if key.compromised_at is None:
        return True
    return held_since is not None and held_since < key.compromised_at


def draft(
    previous: Signed | None,
    *,
    nation: NationId,
    roots: Sequence[Root],
    threshold: int,
    online: OnlineKeys,
    revoked: Sequence[Revocation],
    at: datetime,
    expires_at: datetime,
) -> Statement:
    """Return the statement that would follow, for the officials to sign.

    Raises:
        BadStatement: roots, threshold or revocations are not acceptable.
    """
    before = previous.statement.revoked if previous else ()
    changed = {each.key_id: each for each in before}
    for each in revoked:
        known = changed.get(each.key_id)
        if known is None or each.compromised_at < known.compromised_at:
            changed[each.key_id] = each
    statement = Statement(
        nation=nation,
        version=previous.statement.version + 1 if previous else 1,
        previous_hash=previous.hash if previous else None,
        threshold=threshold,
        roots=tuple(roots),
        online=online,
        revoked=tuple(changed[name] for name in sorted(changed)),
        issued_at=at,
        expires_at=expires_at,
    )
    return read_statement(Envelope(STATEMENT_TYPE, payload_of(statement), ()))


def unsigned(statement: Statement) -> bytes:
    """Return a draft as an envelope without signatures, to be carried to the officials."""
    return Envelope(STATEMENT_TYPE, payload_of(statement), ()).encode()


def root_public(root: Root) -> bytes:
    """Return the public part of a root key as a file."""
    return canonical.dumps({"name": root.name, "key": root.key.as_json()})


def read_root_public(data: bytes) -> Root:
    """Read the public part of a root key.

    Raises:
        BadJson: no strict JSON.
        BadStatement: no usable key with a name.
    """
    value = canonical.loads(data, max_bytes=MAX_STATEMENT_BYTES, subject="root")
    try:
        return _root(value)
    except (KeyError, TypeError, ValueError, Error) as error:
        raise BadStatement("this is no public root key", private=str(error)) from error
