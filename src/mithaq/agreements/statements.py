"""Pure decisions about statements: which are taken, and what they make of an agreement.

Everything is computed from the statements alone, in any order of arrival between nations: two nodes that hold the same
statements see the same agreement.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from mithaq.agreements.errors import BadStatement, MissingStatement, NotAParty
from mithaq.agreements.model import Agreement
from mithaq.agreements.statement import MAX_STATEMENT_BYTES, STATEMENT_TYPE, Cited, Draft, Statement
from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Envelope, VerifyKey

NOTICE_WHERE_NONE_IS_AGREED: Final = timedelta(days=365)
"""Twelve months' notice of a withdrawal that the agreement does not provide for (Vienna Convention Art. 56 (2))."""

AHEAD: Final = timedelta(minutes=5)
"""How far another nation's clock may be ahead of this node's."""


def payload_of(statement: Statement) -> bytes:
    """Return the canonical bytes that the nation signs."""
    return canonical.dumps(msgspec.to_builtins(statement))


def read_statement(envelope: Envelope) -> Statement:
    """Read what a statement says; whether it is signed by whom it names is another question.

    Raises:
        BadJson: the bytes are not canonical JSON.
        BadStatement: another type, an unknown word or value, or no such date.
    """
    if envelope.payload_type != STATEMENT_TYPE:
        raise BadStatement("this is no statement about an agreement")
    canonical.loads_canonical(envelope.payload, max_bytes=MAX_STATEMENT_BYTES, subject="statement")
    try:
        statement = msgspec.json.decode(envelope.payload, type=Statement)
        from_rfc3339(statement.at)
        from_rfc3339(statement.effective_at)
    except (msgspec.ValidationError, ValueError) as error:
        raise BadStatement("not in the vocabulary of statements: %(detail)s", detail=str(error)[:200]) from error
    return statement


def drafted(
    draft: Draft, agreement: Agreement, nation: NationId, earlier: Sequence[Statement], at: datetime
) -> Statement:
    """Return what a nation would sign: the next number, at this instant, about this text."""
    effective_at = draft.effective_at or (at + notice(agreement) if draft.kind == "withdraw" else at)
    cited = agreement.reference
    return Statement(
        format_version=1,
        agreement=Cited(cited.id, cited.version, cited.hash),
        nation=nation,
        sequence=1 + sum(each.nation == nation for each in earlier),
        kind=draft.kind,
        reason=draft.reason,
        at=rfc3339(at),
        effective_at=rfc3339(effective_at),
        target=draft.target,
        scope=tuple(sorted(draft.scope)),
        words=draft.words,
    )


def check_signature(envelope: Envelope, statement: Statement, keys: Mapping[NationId, VerifyKey]) -> None:
    """Refuse a statement that the nation it names did not sign.

    Raises:
        BadStatement: no key of that nation is known here, or both halves of it did not sign exactly this.
    """
    key = keys.get(NationId(statement.nation))
    if key is None or len(envelope.signatures) != 2 or not envelope.holds_for(key):
        raise BadStatement(
            "it is not signed by %(nation)s, in whose name it speaks",
            subject=statement.agreement.id,
            nation=statement.nation,
        )


def check(statement: Statement, agreement: Agreement, earlier: Sequence[Statement], at: datetime) -> None:
    """Refuse a statement that does not follow from the agreement and from what its nation said before.

    Args:
        earlier: every statement about this agreement that is known here, of all nations.

    Raises:
        NotAParty: the nation, or the one it wants suspended, is no party or has not signed.
        MissingStatement: an earlier statement of that nation is not here yet.
        BadStatement: it cites another text, repeats a number, or asks for what the agreement does not provide for.
    """
    nation = NationId(statement.nation)
    if statement.agreement.reference != agreement.reference:
        raise BadStatement("it cites another text than the one signed here", subject=statement.agreement.id)
    if nation not in agreement.parties or nation not in agreement.signed_by:
        raise NotAParty("%(nation)s has not signed the agreement", subject=statement.agreement.id, nation=nation)
    _check_time(statement, [each for each in earlier if each.nation == nation], at)
    if nation in left(earlier, agreement.document.version, before=from_rfc3339(statement.at)):
        raise BadStatement("%(nation)s has left the agreement", subject=statement.agreement.id, nation=nation)
    _CHECKS[statement.kind](statement, agreement, earlier)


def _check_time(statement: Statement, own: Sequence[Statement], at: datetime) -> None:
    expected = len(own) + 1
    if statement.sequence > expected:
        raise MissingStatement(
            "statement %(expected)s of %(nation)s is due, and number %(found)s came",
            subject=statement.agreement.id,
            nation=statement.nation,
            expected=expected,
            found=statement.sequence,
        )
    if statement.sequence < expected:
        raise BadStatement(
            "%(nation)s has made another statement under number %(found)s",
            subject=statement.agreement.id,
            nation=statement.nation,
            found=statement.sequence,
        )
    said = from_rfc3339(statement.at)
    if own and said < from_rfc3339(max(each.at for each in own)):
        raise BadStatement("it is dated before the statement that precedes it", subject=statement.agreement.id)
    if said > at + AHEAD:
        raise BadStatement("it is dated ahead of this node's clock", subject=statement.agreement.id)
    if statement.kind != "withdraw" and statement.effective_at != statement.at:
        raise BadStatement("only a withdrawal counts from a later day on", subject=statement.agreement.id)


def _check_suspend(statement: Statement, agreement: Agreement, earlier: Sequence[Statement]) -> None:
    del earlier
    if statement.target is None:
        return
    target = NationId(statement.target)
    if target == statement.nation or target not in agreement.parties:
        raise NotAParty("%(nation)s is no other party to the agreement", subject=agreement.document.id, nation=target)
    if agreement.document.terms.suspension_by is None:
        raise BadStatement("the agreement does not let parties suspend another", subject=agreement.document.id)
    if statement.nation not in agreement.of_role["party"]:
        raise BadStatement(
            "the role of %(nation)s does not let it suspend another party",
            subject=agreement.document.id,
            nation=statement.nation,
        )


def _check_resume(statement: Statement, agreement: Agreement, earlier: Sequence[Statement]) -> None:
    _refuse_fields(statement, target=True)
    if not is_standing(earlier, NationId(statement.nation), statement.subject):
        raise BadStatement(
            "%(nation)s has made no suspension that it could end",
            subject=agreement.document.id,
            nation=statement.nation,
        )


def _check_withdraw(statement: Statement, agreement: Agreement, earlier: Sequence[Statement]) -> None:
    _refuse_fields(statement)
    if statement.nation in left(earlier, agreement.document.version):
        raise BadStatement("%(nation)s has withdrawn already", subject=agreement.document.id, nation=statement.nation)
    days = notice(agreement).days
    if from_rfc3339(statement.effective_at) < from_rfc3339(statement.at) + timedelta(days=days):
        raise BadStatement("a withdrawal needs %(days)s days' notice", subject=agreement.document.id, days=days)


def _check_objection(statement: Statement, agreement: Agreement, earlier: Sequence[Statement]) -> None:
    del earlier
    _refuse_fields(statement)
    if objected_end(agreement, from_rfc3339(statement.at)) is None:
        raise BadStatement("no renewal is ahead to which one could still object", subject=agreement.document.id)


def _refuse_fields(statement: Statement, *, target: bool = False) -> None:
    if statement.scope or (statement.target is not None and not target):
        raise BadStatement("only a suspension has a target and a scope", subject=statement.agreement.id)


_CHECKS: Final = {
    "suspend": _check_suspend,
    "resume": _check_resume,
    "withdraw": _check_withdraw,
    "object-to-renewal": _check_objection,
}


def with_statements(agreement: Agreement, statements: Sequence[Statement], own: NationId) -> Agreement:
    """Return the agreement as the statements leave it, seen from one nation."""
    suspended = suspended_parties(agreement, statements)
    alone = len(agreement.parties - suspended) < 2
    return replace(
        agreement,
        suspended=agreement.suspended or own in suspended or alone,
        suspended_parties=suspended,
        suspended_kinds=suspended_kinds(agreement, statements),
        leaving=MappingProxyType(left(statements, agreement.document.version)),
        not_after=ends_at(agreement, statements),
    )


def is_standing(statements: Iterable[Statement], nation: NationId, target: NationId) -> bool:
    """Tell whether a suspension that a nation made of a nation still stands."""
    return (nation, target) in _standing(statements)


def callers(statements: Iterable[Statement]) -> dict[NationId, frozenset[NationId]]:
    """Return, for each nation that others want suspended, who they are; "1 of 3" is shown from this."""
    asking: dict[NationId, frozenset[NationId]] = {}
    for nation, target in _standing(statements):
        if nation != target:
            asking[target] = asking.get(target, frozenset()) | {nation}
    return asking


def suspended_parties(agreement: Agreement, statements: Iterable[Statement]) -> frozenset[NationId]:
    """Return who is suspended entirely: by itself, or by as many others as the agreement asks for."""
    return frozenset(target for target, kinds in _suspended(agreement, statements).items() if kinds is None)


def suspended_kinds(agreement: Agreement, statements: Iterable[Statement]) -> Mapping[NationId, frozenset[str]]:
    """Return the kinds of object for which a nation is suspended, where it is not suspended entirely."""
    found = {target: kinds for target, kinds in _suspended(agreement, statements).items() if kinds}
    return MappingProxyType(found)


def left(statements: Iterable[Statement], version: int, *, before: datetime | None = None) -> dict[NationId, datetime]:
    """Return from when on each nation that withdrew is bound no more by a version of the agreement.

    A withdrawal ends the version it cites and every earlier one; who signs a later version has come back.

    Args:
        before: only those whose withdrawal counts by then.
    """
    gone: dict[NationId, datetime] = {}
    for each in statements:
        if each.kind == "withdraw" and each.agreement.version >= version:
            effective_at = from_rfc3339(each.effective_at)
            if before is None or effective_at <= before:
                nation = NationId(each.nation)
                gone[nation] = min(effective_at, gone.get(nation, effective_at))
    return gone


def notice(agreement: Agreement) -> timedelta:
    """Return how long before it counts a withdrawal is said."""
    leaving = agreement.document.terms.leaving
    return timedelta(days=leaving.notice_days) if leaving else NOTICE_WHERE_NONE_IS_AGREED


def term_ends(agreement: Agreement) -> list[datetime]:
    """Return the end of the agreed term and of every renewal that may follow it, each as long as the first."""
    document = agreement.document
    first, end = from_rfc3339(document.not_before), from_rfc3339(document.not_after)
    times = document.renewal.times if document.renewal else 0
    return [end + number * (end - first) for number in range(times + 1)]


def objected_end(agreement: Agreement, at: datetime) -> datetime | None:
    """Return the end that an objection made at an instant makes final: the next one it gives enough notice of."""
    renewal = agreement.document.renewal
    if renewal is None:
        return None
    notice_until = at + timedelta(days=renewal.notice_days)
    return next((end for end in term_ends(agreement)[:-1] if notice_until <= end), None)


def ends_at(agreement: Agreement, statements: Iterable[Statement]) -> datetime:
    """Return when the agreement ends: after its last renewal, or at the first to which a party objected in time.

    It is what holds as things stand: a later objection may still bring it nearer.
    """
    ends = [term_ends(agreement)[-1]]
    for each in statements:
        if each.kind == "object-to-renewal" and each.agreement.version == agreement.document.version:
            end = objected_end(agreement, from_rfc3339(each.at))
            ends += [end] if end else []
    return min(ends)


def _standing(statements: Iterable[Statement]) -> dict[tuple[NationId, NationId], frozenset[str]]:
    """Return the suspensions that stand, by who made it and whom it is about, with the kinds they are limited to."""
    standing: dict[tuple[NationId, NationId], frozenset[str]] = {}
    for each in sorted(statements, key=lambda said: said.sequence):
        pair = (NationId(each.nation), each.subject)
        if each.kind == "suspend":
            standing[pair] = frozenset(each.scope)
        elif each.kind == "resume":
            standing.pop(pair, None)
    return standing


def _suspended(agreement: Agreement, statements: Iterable[Statement]) -> dict[NationId, frozenset[str] | None]:
    """Return who is suspended and for which kinds, None for everything."""
    standing = _standing(statements)
    found: dict[NationId, frozenset[str] | None] = {}
    for target in agreement.parties:
        by_itself = standing.get((target, target))
        by_others = [kinds for (nation, named), kinds in standing.items() if named == target != nation]
        together = _together(by_others, agreement.document.terms.suspension_by)
        if by_itself == frozenset() or together is None:
            found[target] = None
        elif kinds := together | (by_itself or frozenset()):
            found[target] = kinds
    return found


def _together(scopes: Sequence[frozenset[str]], needed: int | None) -> frozenset[str] | None:
    """Return the kinds that at least `needed` suspensions cover, None for every kind; an empty scope covers all."""
    whole = sum(not scope for scope in scopes)
    if needed is None or len(scopes) < needed:
        return frozenset()
    if whole >= needed:
        return None
    named: frozenset[str] = frozenset().union(*scopes)
    return frozenset(kind for kind in named if whole + sum(kind in scope for scope in scopes) >= needed)
