"""`mithaq object protect`: what of an object would leave under an agreement that protects fields."""

from __future__ import annotations

import json
from typing import Any

import click

from mithaq.cli.options import LANE
from mithaq.cli.session import EXIT_NOT_FOUND, EXIT_REFUSED, Session
from mithaq.exchange.protecting import secret_of
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason


@click.command()
@click.argument("object_id", metavar="OBJECT")
@click.option("--agreement", "agreement_id", required=True, help="The agreement whose terms protect.")
@click.option("--lane", type=LANE, default="actual", show_default=True, help="Where the object is.")
@click.pass_context
def protect(ctx: click.Context, object_id: str, agreement_id: str, lane: Lane) -> None:
    """Show the protected version of OBJECT under an agreement, without keeping or releasing it.

    Ends with 4 where no such version can be made.
    """
    session: Session = ctx.obj
    node, at = session.node(), session.now()
    with node.db.read() as connection:
        agreement = node.agreements.get(connection, agreement_id)
        held = node.holdings.get(connection, object_id, lane)
    if not held:
        session.say("%(object)s is not held in the lane %(lane)s", object=object_id, lane=str(lane))
        ctx.exit(EXIT_NOT_FOUND)
    with node.db.write(at) as tx:
        secret = secret_of(tx, agreement.document.id)
    with node.db.read() as connection:
        gate = node.channel.gatekeeper(connection, at)
        shown = gate.exposes(held[0], agreement.document.id) & gate.policy(agreement.document.id).operations.keys()
        version = node.channel.protecting.version(connection, gate, held[0], agreement.document.id, secret)
    value: dict[str, Any] = {"object": object_id, "agreement": agreement.document.id, "shows": sorted(shown)}
    if isinstance(version, Reason):
        reason = session.words.reason(version)
        session.emit(value | {"protected_version": None, "reason": reason}, lambda: reason)
        ctx.exit(EXIT_REFUSED)
    members = json.loads(version.body)
    whole = json.dumps(members, ensure_ascii=False, indent=2, sort_keys=True)
    session.emit(
        value | {"protected_version": version.id, "changed": version.id != object_id, "body": members}, lambda: whole
    )
