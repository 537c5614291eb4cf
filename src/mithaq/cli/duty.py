"""`mithaq duty` and `mithaq incident`: what is owed under agreements, and the clocks that people start."""

import re
from datetime import timedelta
from typing import Any, get_args

import click

from mithaq.agreements.vocabulary import RequestKind, Sector, SeverityName, Urgency
from mithaq.cli.layout import Column, show_rows
from mithaq.cli.options import LANE
from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.node.language import msgid

_COLUMNS = {
    "duty": Column(msgid("duty")),
    "kind": Column(msgid("kind")),
    "by": Column(msgid("owed by")),
    "to": Column(msgid("owed to")),
    "overdue_since": Column(msgid("overdue since")),
    "due": Column(msgid("due")),
    "agreement": Column(msgid("agreement")),
    "subject": Column(msgid("subject")),
    "state": Column(msgid("state")),
}
_WITHIN = re.compile(r"([1-9][0-9]{0,3})([dh])")


class _Within(click.ParamType[timedelta]):
    """A span such as 7d or 12h."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _WITHIN.fullmatch(str(value))
        if found is None:
            self.fail(f"{value} is no span such as 7d or 12h", param, ctx)
        number = int(found[1])
        return timedelta(days=number) if found[2] == "d" else timedelta(hours=number)


@click.group()
def duty() -> None:
    """What is owed under agreements, by whom, until when."""


@duty.command("list")
@click.option("--due", "within", type=_Within(), help="Only what is due within 7d or 12h, and what is overdue.")
@click.option("--all", "settled", is_flag=True, help="Settled duties too.")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.option("--limit", default=500, show_default=True, type=click.IntRange(1, 10_000))
@click.pass_context
def list_(ctx: click.Context, within: timedelta | None, settled: bool, lane: Lane, limit: int) -> None:
    """List duties of both directions, overdue ones first, and what ends soon; ends with 1 where one is overdue."""
    session: Session = ctx.obj
    node, at = session.node(), session.now()
    until = None if within is None else at + within
    state = "any" if settled else "open"
    with node.db.read() as connection:
        duties = node.duties.listed(connection, at, until=until, state=state, lane=lane, limit=limit)
        endings = node.duties.endings(connection, at, at + (within or timedelta(days=90)))
    rows = [each.as_json(at) for each in duties]
    rows += [
        {"kind": f"{each.kind}-ends", "due": rfc3339(each.until), "state": "open", "subject": each.subject}
        for each in endings
    ]
    show_rows(session, rows, _COLUMNS, empty=msgid("Nothing is owed, and nothing ends soon."))
    if any(each.is_overdue(at) for each in duties):
        ctx.exit(EXIT_FAILED)


@duty.command()
@click.argument("request", type=click.Choice(get_args(RequestKind)))
@click.option("--agreement", required=True, help="The agreement that sets the times.")
@click.option("--from", "asker", required=True, help="The nation that asks.")
@click.option("--to", "asked", required=True, help="The nation that is asked.")
@click.option("--urgency", type=click.Choice(get_args(Urgency)), default="routine", show_default=True)
@click.pass_obj
def start(session: Session, request: RequestKind, agreement: str, asker: str, asked: str, urgency: Urgency) -> None:
    """Start the clocks of a REQUEST that people track by hand: when it is to be acknowledged and answered."""
    nations = NationId(asked.upper()), NationId(asker.upper())
    subject = session.node().duties.start_request(
        agreement, *nations, request, urgency, at=session.now(), actor=session.actor
    )
    session.emit({"subject": subject}, lambda: subject)


@duty.command()
@click.argument("number", type=int)
@click.option("--reason", default="", help="How it was done; kept with the duty.")
@click.pass_obj
def done(session: Session, number: int, reason: str) -> None:
    """Settle a duty that people keep: a review, a test call, an acknowledgement, an answer, a notice."""
    session.node().duties.done(number, at=session.now(), actor=session.actor, because=reason)
    session.emit({"duty": number, "state": "fulfilled"})


@duty.command("believe-clock")
@click.pass_obj
def believe_clock(session: Session) -> None:
    """Say that this node’s clock is right, after it stood or jumped; deletions that are due then happen."""
    at = session.now()
    session.node().duties.believe_clock(at=at, actor=session.actor)
    session.emit({"believed": rfc3339(at)})


@click.group()
def incident() -> None:
    """Start the clocks of an own incident."""


@incident.command()
@click.argument("incident_id", required=False)
@click.option("--severity", type=click.Choice(get_args(SeverityName)), help="How grave it is.")
@click.option("--sector", "sectors", multiple=True, type=click.Choice(get_args(Sector)), help="Whom it hits.")
@click.option("--node", "of_node", is_flag=True, help="An incident of this node itself.")
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_obj
def declare(
    session: Session,
    incident_id: str | None,
    severity: SeverityName | None,
    sectors: tuple[Sector, ...],
    of_node: bool,
    lane: Lane,
) -> None:
    """Start the clocks for INCIDENT_ID, a STIX incident: early warning, notification and final report to each party."""
    duties, at = session.node().duties, session.now()
    if of_node:
        count = duties.declare_node_incident(at=at, actor=session.actor)
    elif incident_id is None or severity is None:
        raise click.UsageError("name the incident and its --severity, or give --node")
    else:
        count = duties.declare_incident(incident_id, severity, frozenset(sectors), lane, at=at, actor=session.actor)
    session.emit({"incident": incident_id, "notices": count})
