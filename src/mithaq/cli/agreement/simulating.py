"""`mithaq agreement simulate`: what a draft would let pass of what came in lately."""

from datetime import timedelta
from typing import Any

import click

from mithaq.cli.agreement.compare import document_of
from mithaq.cli.layout import printable
from mithaq.cli.session import Session
from mithaq.exchange.simulating import Outlook, simulate
from mithaq.node.language import msgid

_SHOWN_REASONS = 5
_KINDS = {
    "more": msgid("would go, and does not today"),
    "less": msgid("goes today, and would not"),
    "same_released": msgid("goes today, and would go"),
    "same_withheld": msgid("is withheld today, and would be"),
}


class _Days(click.ParamType[timedelta]):
    """A number of days such as 30d."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        number = str(value).removesuffix("d")
        if not number.isascii() or not number.isdecimal() or not 1 <= int(number[:6]) <= 3650:
            self.fail(f"{value} is no number of days such as 30d", param, ctx)
        return timedelta(days=int(number))


@click.command("simulate")
@click.argument("subject", metavar="FILE|ID")
@click.option("--since", type=_Days(), default="30d", show_default=True, help="Objects that came in so lately.")
@click.pass_obj
def simulate_(session: Session, subject: str, since: timedelta) -> None:
    """Say which objects of late would have gone to whom under a draft, compared with today. Nothing is sent."""
    document, at = document_of(session, subject), session.now()
    found = simulate(session.node().channel, document, since=at - since, at=at)
    rows = [_row(session, nation, outlook) for nation, outlook in sorted(found.items())]
    if session.as_json:
        session.emit_rows(rows, ())
    else:
        click.echo("\n".join(line for row in rows for line in _lines(session, row)))


def _row(session: Session, nation: str, outlook: Outlook) -> dict[str, Any]:
    return {
        "recipient": nation,
        **{kind: getattr(outlook, kind) for kind in _KINDS},
        "examples": outlook.examples,
        "reasons": [
            {"code": code, "objects": count, "reason": session.words.reason(outlook.said[code])}
            for code, count in outlook.reasons.most_common()
        ],
    }


def _lines(session: Session, row: dict[str, Any]) -> list[str]:
    lines = [row["recipient"]]
    for kind, sentence in _KINDS.items():
        examples = row["examples"].get(kind, [])
        shown = f"  ({examples[0]}…)" if examples else ""
        lines.append(f"  {session.words.number(row[kind]):>8}  {session.words.gettext(sentence)}{shown}")
    return lines + [
        f"  {session.words.number(each['objects']):>8}  ✗ {printable(each['reason'])}"
        for each in row["reasons"][:_SHOWN_REASONS]
    ]
