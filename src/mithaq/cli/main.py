"""`mithaq`: the entry of the command line. Commands are loaded when they are called."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from mithaq import __version__
from mithaq.kernel.errors import Error

COMMANDS = {
    "agreement": "mithaq.cli.agreement.group:agreement",
    "audit": "mithaq.cli.audit:audit",
    "backup": "mithaq.cli.backup:backup",
    "blocklist": "mithaq.cli.blocklist:blocklist",
    "card": "mithaq.cli.partner:card",
    "collection": "mithaq.cli.collection:collection",
    "consent": "mithaq.cli.consent:consent",
    "constituent": "mithaq.cli.constituent:constituent",
    "demo": "mithaq.cli.demo:demo",
    "doctor": "mithaq.cli.doctor:doctor",
    "duty": "mithaq.cli.duty:duty",
    "hit": "mithaq.cli.hit:hit",
    "hunt": "mithaq.cli.hunt:hunt",
    "incident": "mithaq.cli.duty:incident",
    "indicator": "mithaq.cli.indicator:indicator",
    "init": "mithaq.cli.serve:init",
    "journal": "mithaq.cli.journal:journal",
    "key": "mithaq.cli.key:key",
    "knowledge": "mithaq.cli.knowledge:knowledge",
    "misp": "mithaq.cli.misp:misp",
    "object": "mithaq.cli.object:object_",
    "partner": "mithaq.cli.partner:partner",
    "person": "mithaq.cli.person:person",
    "release": "mithaq.cli.release:release",
    "report": "mithaq.cli.report:report",
    "restore": "mithaq.cli.backup:restore",
    "sensor": "mithaq.cli.sensor:sensor",
    "serve": "mithaq.cli.serve:serve",
    "sigma": "mithaq.cli.sigma:sigma",
    "source": "mithaq.cli.source:source",
    "telemetry": "mithaq.cli.telemetry:telemetry",
    "token": "mithaq.cli.person:token",
    "why": "mithaq.cli.release:why",
    "yara": "mithaq.cli.yara:yara",
}
_EXIT = {
    "object-not-held": 3,
    "unknown-agreement": 3,
    "unknown-collection": 3,
    "unknown-constituent": 3,
    "unknown-duty": 3,
    "unknown-hit": 3,
    "unknown-hit-group": 3,
    "unknown-hunt": 3,
    "unknown-never-block-entry": 3,
    "unknown-partner": 3,
    "unknown-person": 3,
    "unknown-release": 3,
    "unknown-push-target": 3,
    "unknown-sensor": 3,
    "unknown-source": 3,
    "unknown-telemetry-source": 3,
    "not-in-tray": 3,
    "not-stopped": 3,
    "not-releasable": 4,
    "not-a-party": 4,
    "nothing-owed": 4,
    "partner-unreachable": 5,
    "partner-refused": 5,
    "signer-unreachable": 1,
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are used, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; say an error in the reader's language and end with its exit code."""
        from mithaq.node.language import translator

        try:
            return super().invoke(ctx)
        except Error as error:
            words = ctx.obj.words if ctx.obj else translator(_language())
            click.echo(words.error(error), err=True)
            ctx.exit(_EXIT.get(error.code, 1))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, _SUMMARIES[name]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


_SUMMARIES = {
    "agreement": "Propose, sign, import, export, show and suspend agreements.",
    "audit": "Check release logs from files alone, compare two nations' logs, gather evidence.",
    "backup": "Write a running node into one encrypted file.",
    "blocklist": "Build blocklists that are safe to use.",
    "card": "Show this nation's card and fingerprint.",
    "collection": "What constituents read over TAXII, and who of them.",
    "consent": "Ask an originator that an object may be passed on, and answer who asks this nation.",
    "constituent": "The organisations this CERT serves, and their accounts.",
    "demo": "Three sovereign nodes on this machine, one attack, one agreement.",
    "doctor": "Say what is wrong with this node, and how to mend it.",
    "duty": "What is owed under agreements, by whom, until when.",
    "hit": "List, show, confirm and dismiss detections.",
    "hunt": "Search the past telemetry.",
    "incident": "Start the clocks of an own incident.",
    "indicator": "Add and list indicators.",
    "init": "Found a node in a new data folder.",
    "journal": "Show what happened, in order.",
    "key": "Root officials, key statements, rotation and revocation.",
    "knowledge": "Load ATT&CK, and look up what it says.",
    "misp": "What constituents read with MISP.",
    "object": "Import, search, show and withdraw STIX objects.",
    "partner": "Add partners, compare fingerprints, suspend.",
    "person": "Enrol people and give them roles.",
    "release": "Standing orders, vetoes, what was released and what was withheld.",
    "report": "Read reports: texts, PDFs and e-mails.",
    "restore": "Found a node anew from a backup.",
    "sensor": "Name sensors, and see what each was given, what changed and why.",
    "serve": "Run the node.",
    "sigma": "Import Sigma rules, look what they ask, try them on events.",
    "source": "What this node fetches from the world on a schedule.",
    "telemetry": "Add sources of telemetry and push events.",
    "token": "Give programs a token.",
    "why": "Say why an object may or may not go to a partner.",
    "yara": "Import YARA rules, look whether they can be followed, have files scanned with them.",
}


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mithaq")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MITHAQ_NODE",
    default=Path("mithaq-node"),
    show_default=True,
    help="The node's data folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
@click.option("--lang", type=click.Choice(["ar", "en", "fr"]), default=None, help="The language of messages.")
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Where the passphrase of the key file is kept.",
)
@click.pass_context
def cli(ctx: click.Context, data: Path, as_json: bool, lang: str | None, passphrase_file: Path | None) -> None:
    """The joint-defence node of a national CERT."""
    from mithaq.cli.session import Session

    ctx.obj = Session(data, as_json=as_json, language=lang or _language(), passphrase_file=passphrase_file)


def _language() -> str:
    text = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or "en"
    return text[:2] if text[:2] in ("ar", "en", "fr") else "en"


def main() -> None:
    """Run the command and turn errors into exit codes: 1 failed, 2 usage, 3 not found, 4 refused, 5 unreachable."""
    try:
        result: Any = cli.main(standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    sys.exit(result if isinstance(result, int) else 0)
