"""`mithaq hunt`: look for what is known now in what was seen before."""

import time

import click

from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.detection.detector import Detector
from mithaq.detection.errors import DetectorRunning
from mithaq.detection.launch import HunterOrder, hunter_launcher
from mithaq.kernel.lane import Lane

_POLL_S = 0.1


@click.group()
def hunt() -> None:
    """Search the past telemetry."""


@hunt.command()
@click.argument("indicators", nargs=-1)
@click.option("--lane", default="actual", show_default=True)
@click.option("--wait", "wait_s", default=600, show_default=True, help="For how many seconds to wait for the answer.")
@click.pass_obj
def run(session: Session, indicators: tuple[str, ...], lane: str, wait_s: int) -> int:
    """Hunt for INDICATORS (STIX ids), by default for all that are active.

    A running node does it; where none runs, this command reads what waits and hunts by itself.
    """
    node = session.node()
    asked = node.detection.ask_hunt(session.actor, session.now(), indicators, Lane.parse(lane))
    if not asked:
        session.say("there is nothing to hunt for")
        return EXIT_FAILED
    if not _hunt_here(session, wait_s):
        _wait_for_node(session, wait_s)
    with node.db.read() as connection:
        counts = node.detection.counts(connection, Lane.parse(lane))
    answered = not node.detection.is_hunting()
    session.emit({"hunted": asked, "answered": answered, "hits_new": counts.new})
    return 0 if answered else EXIT_FAILED


@hunt.command()
@click.pass_obj
def status(session: Session) -> None:
    """Show how many hunts have no answer yet; of one that reads the lake line by line, how many segments are read."""
    node = session.node()
    with node.db.read() as connection:
        found = node.detection.hunts_under_way(connection)
    session.emit(
        {"hunts": found.hunts, "segments_read": found.parts_done, "segments": found.parts},
        lambda: session.words.gettext(
            "hunts without an answer: %(hunts)s; segments read: %(done)s of %(parts)s",
            hunts=found.hunts,
            done=found.parts_done,
            parts=found.parts,
        ),
    )


def _hunt_here(session: Session, wait_s: int) -> bool:
    """Hunt in this process, unless a node runs."""
    node = session.node()
    address = node.db.engine.url.render_as_string(hide_password=False)
    order = HunterOrder(address, str(node.data), str(node.run_dir), str(node.folder.cache))
    lists = node.warning_lists
    detector = Detector(node.db, node.holdings, node.data, hunter_launcher(order), warning_lists=lists)
    try:
        detector.start(session.now())
    except DetectorRunning:
        return False
    try:
        ends = time.monotonic() + wait_s
        while time.monotonic() < ends:
            detector.learn(session.now())
            busy = detector.read(session.now())
            detector.hunts.step(session.now())
            if not busy and not detector.is_busy():
                break
            time.sleep(0 if busy else _POLL_S)
    finally:
        detector.close()
    return True


def _wait_for_node(session: Session, wait_s: int) -> None:
    ends = time.monotonic() + wait_s
    while session.node().detection.is_hunting() and time.monotonic() < ends:
        time.sleep(_POLL_S)
