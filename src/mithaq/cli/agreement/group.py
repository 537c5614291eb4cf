"""The commands below `mithaq agreement`; a further one is one line here."""

import click

from mithaq.cli.agreement.draft import draft
from mithaq.cli.agreement.reading import list_, show
from mithaq.cli.agreement.signing import export, import_, propose, sign
from mithaq.cli.agreement.standing import resume, suspend


@click.group()
def agreement() -> None:
    """Propose, sign, import, export, show and suspend agreements."""


agreement.add_command(draft)
agreement.add_command(export)
agreement.add_command(import_)
agreement.add_command(list_)
agreement.add_command(propose)
agreement.add_command(resume)
agreement.add_command(show)
agreement.add_command(sign)
agreement.add_command(suspend)
