"""`mithaq indicator`: add and list indicators."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import click

from mithaq.cli.foreseen import foreseen_lines
from mithaq.cli.options import LANE, PAP, TLP, instruction_of, nations_of, release_options
from mithaq.cli.session import Session
from mithaq.exchange.planning import Planning
from mithaq.intelligence.errors import NotAnObservable
from mithaq.intelligence.imports.text import IndicatorTerms, own_indicators
from mithaq.intelligence.model import NewObject, StoredObject, as_if_stored
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import Lane
from mithaq.node.composition import Node
from mithaq.standards.defang import refang_value
from mithaq.standards.observable import TYPES, Observable, canonical_observable, recognise
from mithaq.standards.pap import Pap
from mithaq.standards.registries import is_registry_suffix
from mithaq.standards.tlp import Tlp

_NAMED = 3
_LISTED = ("added", "value", "tlp", "from", "until", "name", "id")


@click.group()
def indicator() -> None:
    """Add and list indicators."""


@indicator.command()
@click.argument("values", nargs=-1, required=True)
@click.option("--type", "kind", type=click.Choice(TYPES), help="What the values are, where it is not plain (JA3).")
@click.option("--tlp", type=TLP, required=True, help="The label, for instance green or amber+strict.")
@click.option("--pap", type=PAP, default=None, help="What recipients may do with it, for instance amber.")
@click.option("--name", default="", help="A short name; the value itself where none is given.")
@click.option("--description", default="", help="What is known about it.")
@click.option("--valid-days", type=click.IntRange(1, 3650), default=90, show_default=True)
@release_options
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_context
def add(
    ctx: click.Context,
    values: tuple[str, ...],
    kind: str | None,
    tlp: Tlp,
    pap: Pap | None,
    name: str,
    description: str,
    valid_days: int,
    agreement: str | None,
    recipients: str | None,
    purpose: str,
    lane: Lane,
) -> None:
    """Add one indicator for each VALUE, defanged or not; `-` reads one value a line from standard input."""
    session: Session = ctx.obj
    node, at = session.node(), session.now()
    observables = [_observable(text, kind) for text in _expand(values)]
    for observable in observables:
        _warn(session, node, observable)
    terms = IndicatorTerms(
        nation=node.nation,
        lane=lane,
        tlp=tlp,
        pap=pap,
        valid_until=at + timedelta(days=valid_days),
        name=name,
        description=description,
        purpose=purpose if agreement else None,
        instruction=instruction_of(agreement, nations_of(recipients), purpose, session.actor),
    )
    new = own_indicators(observables, terms, at)
    with node.db.write(at) as tx:
        node.holdings.store(tx, new)
    session.emit_rows([_added(item) for item in new], ("id", "value", "tlp"))
    _foresee(session, node, new, at)


@indicator.command("list")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--after", type=int, default=None, help="Continue after the last row of the page before.")
@click.pass_context
def list_(ctx: click.Context, lane: Lane, limit: int, after: int | None) -> None:
    """List the indicators that stand, newest first."""
    session: Session = ctx.obj
    node = session.node()
    with node.db.read() as connection:
        page = node.holdings.search(connection, "type:indicator", lane, after, limit, at=session.now())
    session.emit_rows([_listed(item) for item in page.objects], _LISTED)
    if page.next is not None:
        session.say("more: --after %(row)s", row=page.next)


def _foresee(session: Session, node: Node, new: Sequence[NewObject], at: datetime) -> None:
    """Say on standard error who gets what was added, by instruction or standing order, and who does not and why."""
    planning, alike = Planning(node.channel), defaultdict[tuple[str, ...], list[str]](list)
    with node.db.read() as connection:
        for each in new:
            for foreseen in planning.foresee(connection, as_if_stored([each], at), at):
                alike[tuple(foreseen_lines(session, [foreseen]))].append(each.stix.observables[0].value)
    for lines, values in alike.items():
        if len(values) < len(new):
            some = ", ".join(values[:_NAMED]) + (" …" if len(values) > _NAMED else "")
            session.say("%(count)s of %(all)s (%(values)s):", count=len(values), all=len(new), values=some)
        for line in lines:
            click.echo(line, err=True)


def _expand(values: Iterable[str]) -> list[str]:
    found: list[str] = []
    for value in values:
        lines = sys.stdin if value == "-" else [value]
        found += [line.strip() for line in lines if line.strip()]
    return found


def _observable(text: str, kind: str | None) -> Observable:
    value = refang_value(text)
    observable = canonical_observable(kind, value) if kind else recognise(value)
    if observable is None:
        raise NotAnObservable("this is no address, domain, URL, e-mail address, hash or JA3/JA4", subject=text[:120])
    return observable


def _warn(session: Session, node: Node, observable: Observable) -> None:
    if is_registry_suffix(observable):  # it is shared as any, and no detector looks for it
        session.say("%(value)s is a public suffix, below which strangers have their domains", value=observable.value)
    lists = node.warning_lists.warned(observable)
    if lists:
        session.say("%(value)s stands on warning lists: %(lists)s", value=observable.value, lists=", ".join(lists))


def _added(new: NewObject) -> dict[str, Any]:
    return {"id": new.stix.id, "value": new.stix.observables[0].value, "tlp": new.provenance.tlp.label}


def _listed(item: StoredObject) -> dict[str, Any]:
    return {
        "row": item.row,
        "id": item.stix.id,
        "name": item.stix.name,
        "value": [observable.value for observable in item.stix.observables],
        "tlp": item.tlp.label,
        "from": sorted({word.nation for word in item.provenance if word.standing == "stands"}),
        "until": rfc3339(item.stix.valid_until) if item.stix.valid_until else None,
        "added": rfc3339(item.stored_at),
    }
