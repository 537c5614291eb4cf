"""The commands below `mithaq agreement`; a further one is one line here."""

import click

from mithaq.cli.agreement.compare import counter, diff, lint_
from mithaq.cli.agreement.draft import draft, templates
from mithaq.cli.agreement.official import official, sign_offline
from mithaq.cli.agreement.prove import prove
from mithaq.cli.agreement.reading import list_, show
from mithaq.cli.agreement.signing import export, import_, propose, sign
from mithaq.cli.agreement.simulating import simulate_
from mithaq.cli.agreement.standing import object_, resume, send, suspend, withdraw
from mithaq.cli.agreement.statements import statement, statements
from mithaq.cli.agreement.text import text


@click.group()
def agreement() -> None:
    """Propose, sign, import, export, show and suspend agreements."""


agreement.add_command(counter)
agreement.add_command(diff)
agreement.add_command(draft)
agreement.add_command(export)
agreement.add_command(import_)
agreement.add_command(lint_)
agreement.add_command(list_)
agreement.add_command(object_)
agreement.add_command(official)
agreement.add_command(propose)
agreement.add_command(prove)
agreement.add_command(resume)
agreement.add_command(send)
agreement.add_command(show)
agreement.add_command(sign)
agreement.add_command(sign_offline)
agreement.add_command(simulate_)
agreement.add_command(statement)
agreement.add_command(statements)
agreement.add_command(suspend)
agreement.add_command(templates)
agreement.add_command(text)
agreement.add_command(withdraw)
