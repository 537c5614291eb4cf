"""`mithaq doctor`: what is wrong with this node, and how to mend it."""

from typing import Any

import click

from mithaq.cli.layout import printable
from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.node.data_folder import DataFolder
from mithaq.node.health.model import Finding, Level, is_healthy
from mithaq.node.health.service import examine
from mithaq.node.language import msgid

_WORDS = {Level.WRONG: msgid("WRONG"), Level.WARNING: msgid("warning"), Level.FINE: msgid("fine")}


@click.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Say what is wrong with this node, and how to mend it; ends with 1 where something is."""
    session: Session = ctx.obj
    findings = examine(DataFolder(session.data), session.passphrase_or_none(), session.now())
    healthy = is_healthy(findings)
    value = {"healthy": healthy, "findings": [_json(session, each) for each in findings]}
    session.emit(value, lambda: _text(session, findings))
    if not healthy:
        ctx.exit(EXIT_FAILED)


def _json(session: Session, finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "level": finding.level.label,
        "finding": session.words.reason(finding.reason),
        "remedy": session.words.remedy(finding.reason),
    }


def _text(session: Session, findings: list[Finding]) -> str:
    words = session.words
    levels = {level: words.gettext(word) for level, word in _WORDS.items()}
    first = max(map(len, levels.values()))
    second = max(len(finding.code) for finding in findings)
    lines = []
    for finding in findings:
        told = printable(words.reason(finding.reason))
        lines.append(f"{levels[finding.level].ljust(first)}  {finding.code.ljust(second)}  {told}")
        if finding.level is not Level.FINE:
            lines.append(f"{' ' * (first + second + 2)}  → {printable(words.remedy(finding.reason))}")
    wrong = sum(finding.level is Level.WRONG for finding in findings)
    if wrong:
        lines += ["", words.ngettext("One thing is wrong.", "%(count)s things are wrong.", wrong)]
    return "\n".join(lines)
