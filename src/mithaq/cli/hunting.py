"""What the commands on the lake share: a question from options, the detector's work done here where no node runs."""

import time
from collections.abc import Callable
from typing import Any

import click

from mithaq.cli.session import Session
from mithaq.detection.detector import Detector
from mithaq.detection.errors import DetectorRunning
from mithaq.detection.hunts.launch import HunterOrder, hunter_launcher
from mithaq.telemetry.errors import BadQuestion
from mithaq.telemetry.lake.question import FIELDS, Condition, Operator, Question, instant

POLL_S = 0.1
_SIGNS = {
    "!=": Operator.IS_NOT,
    "*=": Operator.CONTAINS,
    "^=": Operator.BEGINS,
    "$=": Operator.ENDS,
    ">=": Operator.AT_LEAST,
    "<=": Operator.AT_MOST,
}


def question_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that describe a question."""
    for option in (
        click.option("--lane", default="actual", show_default=True),
        click.option("--source", "sources", multiple=True, help="Only what this source gave; several times."),
        click.option(
            "--where",
            multiple=True,
            metavar="CONDITION",
            help="FIELD=VALUE, or with != *= (contains) ^= (begins) $= (ends) >= <=, or FIELD for one that is there; "
            "an address field also takes a network. All must hold.",
        ),
        click.option("--since", default="", help="Only events of this time or later (ISO 8601, UTC)."),
        click.option("--until", default="", help="Only events before this time."),
        click.option("--last", "last_hours", type=click.IntRange(1), help="Only events of the last HOURS hours."),
    ):
        command = option(command)
    return command


def question_of(values: tuple[str, ...], options: dict[str, Any]) -> Question:
    """Return the question that the options describe.

    Raises:
        BadQuestion: a condition or a time cannot be read.
    """
    return Question(
        lane=options["lane"],
        sources=options["sources"],
        values=values,
        conditions=tuple(map(condition_of, options["where"])),
        since=instant(options["since"]),
        until=instant(options["until"]),
        last_hours=options["last_hours"],
    )


def condition_of(text: str) -> Condition:
    """Read a condition as it is written on the command line.

    >>> condition_of("user.name*=admin"), condition_of("source.ip=10.0.0.0/8").operator.value
    (Condition(field='user.name', operator=<Operator.CONTAINS: 'contains'>, value='admin'), 'in-network')
    """
    field = max((name for name in FIELDS if text.startswith(name)), key=len, default="")
    rest = text[len(field) :]
    if not field:
        raise BadQuestion("there is no such field", subject=text[:80])
    if not rest:
        return Condition(field, Operator.THERE)
    if rest[:2] in _SIGNS:
        return Condition(field, _SIGNS[rest[:2]], rest[2:])
    if not rest.startswith("="):
        raise BadQuestion("a condition is FIELD=VALUE", subject=text[:80])
    is_network = "/" in rest and field in {"source.ip", "destination.ip"}
    return Condition(field, Operator.IN_NETWORK if is_network else Operator.IS, rest[1:])


def work_here(session: Session, wait_s: float) -> bool:
    """Do the detector's work in this process until nothing waits; False where a node does it."""
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
            time.sleep(0 if busy else POLL_S)
    finally:
        detector.close()
    return True


def wait_until(session: Session, is_done: Callable[[], bool], wait_s: float) -> bool:
    """Have what waits done, here or by the running node, for so many seconds; tell whether it is done."""
    if not work_here(session, wait_s):
        ends = time.monotonic() + wait_s
        while not is_done() and time.monotonic() < ends:
            time.sleep(POLL_S)
    return is_done()
