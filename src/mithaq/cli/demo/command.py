"""`mithaq demo`: three sovereign nodes, one agreement, from discovery to protection."""

import json
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import click
from sqlalchemy import func, select

from mithaq.cli.demo import attack, nodes
from mithaq.cli.demo.leaks import count_leaks
from mithaq.cli.demo.material import Material, RealStory
from mithaq.cli.demo.nodes import DemoNode
from mithaq.cli.demo.story import Score, Stage, Story
from mithaq.cli.demo.telling import Teller, spread, summary
from mithaq.cli.session import Session
from mithaq.exchange import store as exchange_store
from mithaq.node.language import msgid, translator

_EXIT_INTERRUPTED = 130
"""What a shell says of a command that Ctrl-C ended (128 + SIGINT)."""


@click.command()
@click.option("--once", is_flag=True, help="End when the story is over.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON object.")
@click.option("--keep", is_flag=True, help="Keep the three data folders.")
@click.option("--reset", is_flag=True, help="Remove an earlier demonstration first.")
@click.option("--dir", "root", type=click.Path(path_type=Path, file_okay=False), help="Where the data folders go.")
@click.option(
    "--data",
    "material",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Play real material: MISP events and Zeek logs of an emulation.",
)
@click.option("--lang", type=click.Choice(["ar", "en", "fr"]), default=None, help="The language of the story.")
@click.pass_obj
def demo(
    session: Session,
    once: bool,
    as_json: bool,
    keep: bool,
    reset: bool,
    root: Path | None,
    material: Path | None,
    lang: str | None,
) -> None:
    """Three sovereign nodes on this machine, one attack, one agreement: watch the partners be protected."""
    words = translator(lang) if lang else session.words
    as_json = as_json or session.as_json
    teller = Teller(words, quiet=as_json)
    if material:
        Material(material).check()
    folder = root or _cache_folder()
    if reset or not keep:
        nodes.clear(folder)
    nodes.demand_empty(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    began = time.monotonic()
    teller.line(words.gettext(msgid("Founding three nations in %(folder)s …"), folder=str(folder)))
    coalition: list[DemoNode] = []
    result: dict[str, Any] | None = None
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        coalition = nodes.found_coalition(folder, session.now())
        nodes.start(coalition)
        nodes.wait_until_serving(coalition)
        teller.line(
            words.gettext(
                msgid("Three nodes serve their pages; set-up took %(time)s."),
                time=words.seconds(time.monotonic() - began),
            )
        )
        _show_links(teller, words.gettext, coalition)
        nodes.share_warning_lists(coalition)
        result = _play(coalition, teller, material)
        click.echo(json.dumps(result) if as_json else summary(words, result))
        if not once:
            teller.plain(words.gettext(msgid("The three nodes go on; Ctrl-C ends them.")))
            signal.pause()
    except KeyboardInterrupt:
        teller.plain("")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # an impatient second Ctrl-C leaves nothing behind either
            signal.signal(number, signal.SIG_IGN)
        nodes.stop(coalition)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    teller.plain(words.gettext(msgid("All processes ended.")))
    if result is None:
        raise click.exceptions.Exit(_EXIT_INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mithaq" / "demo"


def _show_links(teller: Teller, gettext: Any, coalition: Sequence[DemoNode]) -> None:
    teller.plain(gettext(msgid("Open a nation's pages with its one-time link (valid 30 minutes):")))
    for node in coalition:
        teller.plain(f"    {node.nation.code}  {node.link}")


def _play(coalition: Sequence[DemoNode], teller: Teller, material: Path | None) -> dict[str, Any]:
    stages = [Stage(node, node.open()) for node in coalition]
    try:
        story = RealStory(stages, teller, Material(material)) if material else Story(stages, teller)
        score = story.play()
        leaks = count_leaks(stages[1:], [*attack.WITHHELD_TOKENS, *score.kept])
        teller("leaks", count=len(leaks))
        for place in leaks:
            teller.plain(f"    {place}")
        return _result(stages, score, len(leaks))
    finally:
        for stage in stages:
            stage.node.close()


def _result(stages: Sequence[Stage], score: Score, leaks: int) -> dict[str, Any]:
    first = stages[0]
    with first.node.db.read() as connection:
        released = connection.scalar(
            select(func.count())
            .select_from(exchange_store.sent_objects)
            .join(
                exchange_store.sent,
                (exchange_store.sent.c.recipient == exchange_store.sent_objects.c.recipient)
                & (exchange_store.sent.c.sequence == exchange_store.sent_objects.c.sequence),
            )
            .where(exchange_store.sent.c.action == "release")
        )
        withheld = connection.scalar(select(func.count()).select_from(exchange_store.withheld))
    return {
        "nations": len(stages),
        "released": released or 0,
        "withheld": withheld or 0,
        "hits": {stage.code: stage.hit_count() for stage in stages},
        "receipts_verified": score.receipts_verified,
        "receipts_missing": score.receipts_missing,
        "discovery_to_protection_ms": spread(score.protection_ms),
        "leaks": leaks,
    }
