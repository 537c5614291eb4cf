"""`mithaq hunt`: look for what is known now in what was seen before, and ask the lake."""

from typing import Any

import click
import msgspec

from mithaq.cli.hunting import question_of, question_options, wait_until
from mithaq.cli.layout import Column, printable, show_rows, word
from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.detection.questions.model import Answer, Row, State
from mithaq.kernel.lane import Lane
from mithaq.node.answers_in_words import remarks
from mithaq.node.language import msgid

_SAVED = {
    "name": Column(msgid("name")),
    "saved_by": Column(msgid("saved by")),
    "saved_at": Column(msgid("when")),
    "every_hours": Column(msgid("every hours")),
    "due_at": Column(msgid("due")),
}
_ANSWERS = {
    "answer": Column(msgid("answer")),
    "hunt": Column(msgid("hunt")),
    "asked_by": Column(msgid("asked by")),
    "asked_at": Column(msgid("when")),
    "state": Column(msgid("state"), lambda session, value: word(session, f"hunt-{value}")),
    "rows": Column(msgid("events")),
    "unread_segments": Column(msgid("unreadable segments")),
}
_ROWS = {
    "event_at": Column(msgid("when")),
    "source": Column(msgid("source")),
    "kind": Column(msgid("kind")),
    "line": Column(msgid("line"), lambda _session, line: printable(line[:200])),
}


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
    answered = wait_until(session, lambda: not node.detection.is_hunting(), wait_s)
    with node.db.read() as connection:
        counts = node.detection.counts(connection, Lane.parse(lane))
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


@hunt.command()
@click.argument("values", nargs=-1)
@question_options
@click.option("--save", "name", default="", help="Keep the question as a saved hunt of this name.")
@click.option("--every", "every_hours", type=click.IntRange(1), help="… and have the node ask it every HOURS hours.")
@click.option("--wait", "wait_s", default=600, show_default=True, help="For how many seconds to wait for the answer.")
@click.pass_obj
def ask(
    session: Session, /, values: tuple[str, ...], name: str, every_hours: int | None, wait_s: int, **options: Any
) -> int:
    """Ask the lake for events that have one of VALUES, and for which every --where holds.

    VALUES are addresses, networks, names, URLs, hashes or e-mail addresses, anywhere in the event. The rows come with
    the original line; `mithaq hunt show` gives them again.
    """
    node, question = session.node(), question_of(values, options)
    if name:
        node.questions.save(name, question, by=session.actor, at=session.now(), every_hours=every_hours)
    if name and every_hours is None:
        answer_id = node.questions.run(name, by=session.actor, at=session.now())
    elif name:  # it is due at once
        session.emit({"saved": name}, lambda: name)
        return 0
    else:
        answer_id = node.questions.ask(question, by=session.actor, at=session.now())
    return _answered(session, answer_id, wait_s)


@hunt.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List the saved hunts."""
    rows = [
        {
            "name": each.name,
            "saved_by": each.saved_by,
            "saved_at": each.saved_at,
            "every_hours": each.every_hours,
            "due_at": each.due_at,
            "question": msgspec.to_builtins(each.question),
        }
        for each in session.node().questions.saved()
    ]
    show_rows(session, rows, _SAVED, empty=msgid("No hunt is saved."))


@hunt.command()
@click.argument("name")
@click.option("--wait", "wait_s", default=600, show_default=True, help="For how many seconds to wait for the answer.")
@click.pass_obj
def again(session: Session, name: str, wait_s: int) -> int:
    """Run the saved hunt NAME now."""
    answer_id = session.node().questions.run(name, by=session.actor, at=session.now())
    return _answered(session, answer_id, wait_s)


@hunt.command()
@click.argument("name")
@click.pass_obj
def forget(session: Session, name: str) -> None:
    """Remove the saved hunt NAME; its answers stay until their time is over."""
    session.node().questions.forget(name, by=session.actor, at=session.now())


@hunt.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.pass_obj
def answers(session: Session, limit: int) -> None:
    """List the newest answers."""
    rows = [_answer(each) for each in session.node().questions.answers(limit=limit)]
    show_rows(session, rows, _ANSWERS, empty=msgid("Nothing was asked yet."))


@hunt.command()
@click.argument("answer_id")
@click.pass_obj
def show(session: Session, answer_id: str) -> None:
    """Give the rows of an answer again, with their original lines."""
    node = session.node()
    _told(session, node.questions.answer(answer_id))
    show_rows(session, [_row(each) for each in node.questions.rows(answer_id)], _ROWS, empty=msgid("No event."))


@hunt.command()
@click.argument("answer_id")
@click.pass_obj
def cancel(session: Session, answer_id: str) -> None:
    """Stop an answer that is still being given; what was found of it stays."""
    session.node().questions.cancel(answer_id, by=session.actor, at=session.now())


def _answered(session: Session, answer_id: str, wait_s: int) -> int:
    """Wait for an answer and print its rows."""
    questions = session.node().questions
    is_done = wait_until(session, lambda: questions.answer(answer_id).state.is_over, wait_s)
    answer = questions.answer(answer_id)
    _told(session, answer)
    show_rows(session, [_row(each) for each in questions.rows(answer_id)], _ROWS, empty=msgid("No event."))
    return 0 if is_done and answer.state is State.DONE else EXIT_FAILED


def _told(session: Session, answer: Answer) -> None:
    """Say on standard error which answer it is, and what it leaves out."""
    session.say("%(answer)s: %(rows)s events", answer=answer.answer_id, rows=answer.rows)
    for sentence in remarks(answer, session.words):
        click.echo(sentence, err=True)


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "answer": answer.answer_id,
        "hunt": answer.saved_hunt,
        "asked_by": answer.asked_by,
        "asked_at": answer.asked_at,
        "state": answer.state.value,
        "rows": answer.rows,
        "parts_done": answer.parts_done,
        "parts": answer.parts,
        "unread_segments": answer.unread,
        "events_without_fields": answer.older,
        "stopped": answer.stopped,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "event_at": row.event_at,
        "source": row.source,
        "kind": row.kind,
        "event": row.event_id,
        "line": row.raw.decode("utf-8", "replace"),
    }
