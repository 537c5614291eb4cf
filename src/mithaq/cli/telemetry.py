"""`mithaq telemetry`: the sources, how they are doing, and lines pushed by hand."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from mithaq.cli.files import read_input
from mithaq.cli.hunting import wait_until
from mithaq.cli.layout import Column, cell, printable, show_rows, word
from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.detection.rulebook.missing_fields import MissingField
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.node.language import msgid
from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.feeds import Feed, FilesFeed, NatsFeed, SyslogFeed
from mithaq.telemetry.model import Format, Source
from mithaq.telemetry.parsers.fields import observables_of
from mithaq.telemetry.parsers.line import LineParser
from mithaq.telemetry.pcap import ENGINES, analysed
from mithaq.telemetry.service import Reading
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.vocabulary import ecs_fields

_NAMED = 3
_FORMAT = click.option(
    "--format",
    "line_format",
    type=click.Choice([each.value for each in Format]),
    default=Format.AUTO.value,
    show_default=True,
    help="What the lines look like.",
)


def _reason(session: Session, reason: str) -> str:
    return printable(session.words.gettext(reason))


def _seconds(session: Session, value: float | None) -> str:
    return "-" if value is None else session.words.seconds(value)


def _missing(session: Session, found: Sequence[dict[str, Any]]) -> str:
    """Name the fields that most rules ask for; `--json` has all of them."""
    named = cell(session, [f"{each['kind']}: {each['field']} ({each['count']})" for each in found[:_NAMED]])
    return f"{named}, … ({len(found)})" if len(found) > _NAMED else named


_STATUS = {
    "name": Column(msgid("source")),
    "state": Column(msgid("state"), lambda session, value: word(session, f"source-{value}")),
    "last_read_at": Column(msgid("last read")),
    "events_per_s": Column(msgid("events a second")),
    "lag_s": Column(msgid("lag"), _seconds),
    "waiting_bytes": Column(msgid("waiting bytes")),
    "lines": Column(msgid("lines")),
    "broken": Column(msgid("broken lines")),
    "fields_gone": Column(msgid("fields that are gone")),
    "fields_missing": Column(msgid("fields missing for rules"), _missing),
    "trouble": Column(msgid("trouble")),
}
_LAKE = {
    "source": Column(msgid("source")),
    "constituent": Column(msgid("constituent")),
    "segments": Column(msgid("segments")),
    "events": Column(msgid("events")),
    "bytes": Column(msgid("bytes")),
    "oldest_at": Column(msgid("since")),
    "retain_days": Column(msgid("kept for days")),
    "troubled": Column(msgid("unreadable segments")),
}
_BROKEN = {
    "line": Column(msgid("line")),
    "offset": Column(msgid("offset")),
    "reason": Column(msgid("reason"), _reason),
}
_TRIED = {
    "line": Column(msgid("line")),
    "kind": Column(msgid("kind")),
    "at": Column(msgid("when")),
    "fields": Column(msgid("fields"), lambda session, fields: cell(session, [f"{k}={v}" for k, v in fields.items()])),
    "observables": Column(msgid("observables")),
    "reason": Column(msgid("reason"), _reason),
}


@click.group()
def telemetry() -> None:
    """Add sources of telemetry and push events."""


@telemetry.group()
def source() -> None:
    """The streams of lines that this node reads."""


@source.command("add")
@click.argument("name")
@click.option(
    "--path", type=click.Path(path_type=Path), help="A file, a folder, or FOLDER/*.log; without it, lines are pushed."
)
@_FORMAT
@click.option("--lane", default="actual", show_default=True, help="actual, test or exercise--UUID.")
@click.option("--syslog", metavar="ADDRESS:PORT", help="Listen for syslog there (TCP and UDP, or TLS).")
@click.option("--allow", multiple=True, metavar="NETWORK", help="Who may send syslog; several times.")
@click.option("--certificate", default="", help="Listen with TLS: a file with the certificate chain (PEM).")
@click.option("--key", default="", help="… and one with its key.")
@click.option("--client-ca", default="", help="… and who has signed the senders' certificates, if they need one.")
@click.option("--nats", multiple=True, metavar="URL", help="Pull from NATS JetStream there; several times.")
@click.option("--stream", default="", help="… from this stream,")
@click.option("--consumer", default="mithaq", show_default=True, help="… as a reader of this durable consumer,")
@click.option("--subject", default="", help="… only these subjects,")
@click.option("--credentials", default="", help="… with the credentials in this file,")
@click.option("--ca", default="", help="… and trust what this file's certificates have signed.")
@click.option("--retain", type=click.IntRange(1), metavar="DAYS", help="Keep its lines for DAYS days; else for good.")
@click.option("--constituent", default="", metavar="ID", help="In whose networks it stands.")
@click.option(
    "--files", type=click.Path(path_type=Path), help="Scan the files of this folder and write a line of each."
)
@click.option("--files-log", type=click.Path(path_type=Path), help="… which Zeek extracted; this is its files.log.")
@click.pass_obj
def source_add(session: Session, /, name: str, path: Path | None, line_format: str, lane: str, **options: Any) -> None:
    """Follow a file or a folder of a sensor, or take what comes over the network under NAME.

    Without --path, --syslog, --nats and --files, lines are pushed over HTTP.
    """
    added = session.node().telemetry.add_source(
        name,
        path=str(path.absolute()) if path else "",
        line_format=Format(line_format),
        by=session.actor,
        at=session.now(),
        lane=Lane.parse(lane),
        feed=_feed(options),
        retain_days=options["retain"],
        constituent=options["constituent"],
    )
    session.emit(_source(added), lambda: added.name)


def _feed(options: dict[str, Any]) -> Feed | None:
    """Return the feed that the options describe."""
    if options["nats"]:
        names = ("stream", "consumer", "subject", "credentials", "ca")
        return NatsFeed(servers=tuple(options["nats"]), **{name: options[name] for name in names})
    if options["files"]:
        log = options["files_log"]
        return FilesFeed(str(options["files"].absolute()), str(log.absolute()) if log else "")
    if not options["syslog"]:
        return None
    host, _, port = options["syslog"].rpartition(":")
    if not port.isdecimal():
        raise click.BadParameter("ADDRESS:PORT", param_hint="--syslog")
    return SyslogFeed(
        host=host.removeprefix("[").removesuffix("]"),
        port=int(port[:6]),
        allow=tuple(options["allow"]),
        certificate=options["certificate"],
        key=options["key"],
        client_ca=options["client_ca"],
    )


@source.command("remove")
@click.argument("name")
@click.pass_obj
def source_remove(session: Session, name: str) -> None:
    """Stop reading a source; what it gave is kept."""
    session.node().telemetry.remove_source(name, by=session.actor, at=session.now())


@source.command("retain")
@click.argument("name")
@click.argument("days")
@click.pass_obj
def source_retain(session: Session, name: str, days: str) -> None:
    """Keep what the source NAME gives for DAYS days, or `forever`; what is older is deleted."""
    if days != "forever" and not days.isdecimal():
        raise click.BadParameter("a number of days, or forever", param_hint="DAYS")
    kept = None if days == "forever" else int(days[:6])
    session.node().telemetry.retain(name, kept, by=session.actor, at=session.now())


@telemetry.command()
@click.pass_obj
def lake(session: Session) -> None:
    """Show what is kept of each source, for how long, and what of it cannot be read."""
    telemetry_of = session.node().telemetry
    kept = {each.status.source.name: each.status for each in telemetry_of.readings(session.now())}
    rows = [
        {
            "source": each.source,
            "constituent": kept[each.source].constituent if each.source in kept else "",
            "segments": each.segments,
            "events": each.events,
            "bytes": each.bytes,
            "oldest_at": each.oldest_at,
            "retain_days": kept[each.source].retain_days if each.source in kept else None,
            "troubled": each.troubled,
        }
        for each in telemetry_of.holdings()
    ]
    show_rows(session, rows, _LAKE, empty=msgid("The lake is empty."))
    for segment in telemetry_of.troubled():
        session.say("%(segment)s: %(trouble)s", segment=segment.segment, trouble=_reason(session, segment.trouble))


@telemetry.command()
@click.argument("name", required=False)
@click.option("--constituent", default="", metavar="ID", help="Every source that stands in its networks.")
@click.option("--wait", "wait_s", default=600, show_default=True, help="For how many seconds to wait.")
@click.confirmation_option(prompt="Everything that it ever gave will be deleted for good.")
@click.pass_obj
def erase(session: Session, name: str | None, constituent: str, wait_s: int) -> int:
    """Remove the source NAME and delete everything that it ever gave: lines, indexes, answers, the lines of hits.

    Backups are not changed: they hold it until they are deleted.
    """
    telemetry_of = session.node().telemetry
    names = [name] if name else telemetry_of.sources_of(constituent) if constituent else []
    if not names:
        raise click.UsageError("name a source, or a constituent that has one")
    for each in names:
        telemetry_of.erase(each, by=session.actor, at=session.now())

    def is_done() -> bool:
        return not any(each.source in names and each.done_at is None for each in telemetry_of.erasures(limit=1000))

    done = wait_until(session, is_done, wait_s)
    events = {each.source: each.events for each in reversed(telemetry_of.erasures(limit=1000))}
    for each in names:
        session.emit({"source": each, "done": done, "events": events.get(each, 0)})
    return 0 if done else EXIT_FAILED


@telemetry.command("export")
@click.argument("name")
@click.pass_obj
def export_(session: Session, name: str) -> None:
    """Write every line that the source NAME gave and that is kept, as it came, oldest segment first."""
    from mithaq.telemetry.lake.exporting import original_lines

    for line in original_lines(session.node().db, session.node().data, name):
        sys.stdout.buffer.write(line + b"\n")


@telemetry.command()
@click.pass_obj
def status(session: Session) -> None:
    """Show every source: what was read, what waits, what could not be read, and whether it does as usual.

    The lag is between an event's own time and its reading. A source is silent when nothing has come for much longer
    than it is usually quiet; fields are gone that most lines had and the last ones have not; fields are missing that
    Sigma rules for its events ask and the newest lines do not have.
    """
    node = session.node()
    with node.db.read() as connection:
        missing = node.detection.missing_fields(connection)
    readings = node.telemetry.readings(session.now())
    rows = [_reading(each, missing.get(each.status.source.name, ())) for each in readings]
    show_rows(session, rows, _STATUS, empty=msgid("No source: this node sees nothing of its own networks yet."))


@telemetry.command()
@click.argument("name")
@click.option("--limit", default=20, show_default=True)
@click.pass_obj
def broken(session: Session, name: str, limit: int) -> None:
    """Show the newest lines of a source that could not be read, and why."""
    rows = session.node().telemetry.broken(name, limit=limit)
    found = [{"source": each.source, "line": each.line, "offset": each.offset, "reason": each.reason} for each in rows]
    show_rows(session, found, _BROKEN, empty=msgid("Every line of it could be read."))


@telemetry.command()
@click.argument("name")
@click.argument("file", default="-")
@click.pass_obj
def push(session: Session, name: str, file: str) -> int:
    """Push the lines of FILE, or of standard input, to the source NAME."""
    body = read_input(file, TelemetryLimits().max_push_bytes)
    if not body.strip():
        session.say("there is nothing to push")
        return EXIT_FAILED
    accepted = session.node().telemetry.push(name, body)
    session.emit({"accepted": accepted}, lambda: str(accepted))
    return 0


@telemetry.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--engine", type=click.Choice(ENGINES), default=None, help="What reads it; by default what is installed.")
@click.option("--files/--no-files", default=True, show_default=True, help="Have the files in it scanned.")
@click.pass_obj
def pcap(session: Session, name: str, file: Path, engine: str | None, files: bool) -> None:
    """Read the packets of FILE with an installed Zeek or Suricata, and push its logs to the source NAME.

    It runs in a folder of its own with limits; the files that it takes out of the packets are scanned as uploads.
    """
    node, limits = session.node(), TelemetryLimits()
    lane = node.telemetry.pushed(name).lane
    accepted = taken = 0
    with analysed(file, engine, limits) as analysis:
        for piece in analysis.pieces(limits.max_push_bytes):
            accepted += node.telemetry.push(name, piece)
        for path in analysis.files if files else ():
            taken += _has_scanned(session, path, lane)
    found = {"engine": analysis.engine, "accepted": accepted, "files": taken}
    session.emit(found, lambda: session.words.gettext("%(lines)s lines, %(files)s files", lines=accepted, files=taken))


def _has_scanned(session: Session, path: Path, lane: Lane) -> bool:
    """Have a file scanned that was taken out of packets; tell whether it was accepted."""
    from mithaq.detection.yara.errors import FileRefused

    try:
        with path.open("rb") as opened:
            session.node().files.upload(opened.read, name=path.name, by=session.actor, at=session.now(), lane=lane)
    except FileRefused as error:
        session.say("refused %(object)s: %(reason)s", object=path.name, reason=session.words.error(error))
        return False
    return True


@telemetry.command("try")
@click.argument("file", default="-")
@_FORMAT
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1), help="How many lines to show.")
@click.pass_obj
def try_lines(session: Session, file: str, line_format: str, limit: int) -> None:
    """Show how the lines of FILE, or of standard input, would be read; nothing is kept.

    For each line: the sensor, the time, the fields under their names in the Elastic Common Schema, and everything in
    it that an indicator could name; or why it cannot be read.
    """
    body = read_input(file, TelemetryLimits().max_push_bytes)
    parser = LineParser(Source("try", "", Format(line_format), ACTUAL), file_name=Path(file).name)
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(body.splitlines(), 1):
        if len(rows) == limit:
            break
        row = _tried(parser, line, session.now())
        if row is not None:
            rows.append({"line": number, **row})
    show_rows(session, rows, _TRIED, empty=msgid("there is no line in it"))


def _tried(parser: LineParser, line: bytes, at: datetime) -> dict[str, Any] | None:
    try:
        decoded = parser.decode(line, at)
    except BadLine as error:
        return {"kind": "", "at": None, "fields": {}, "observables": [], "reason": str(error)}
    if decoded is None:
        return None
    return {
        "kind": decoded.kind,
        "at": decoded.at,
        "fields": ecs_fields(decoded.kind, decoded.record),
        "observables": sorted({str(seen) for _, seen in observables_of(decoded.record)}),
        "reason": "",
    }


def _source(each: Source) -> dict[str, Any]:
    return {"name": each.name, "path": each.path, "format": each.format.value, "lane": str(each.lane)}


def _reading(reading: Reading, missing: Sequence[MissingField]) -> dict[str, Any]:
    each = reading.status
    return {
        **_source(each.source),
        "state": reading.condition.value,
        "lines": each.lines,
        "events": each.events,
        "broken": each.broken,
        "waiting_bytes": reading.waiting_bytes,
        "last_read_at": each.last_read_at,
        "events_per_s": round(reading.vitals.events_per_s, 2),
        "lag_s": None if reading.vitals.lag_s is None else round(reading.vitals.lag_s, 3),
        "silent": reading.vitals.is_silent,
        "fields_gone": [f"{kind}: {field}" for kind, field in reading.vitals.gone],
        "fields_missing": [
            {"kind": each.kind, "field": each.field, "count": each.count, "rules": list(each.rules)} for each in missing
        ],
        "samples": [{"reason": sample.reason, "text": sample.text} for sample in reading.vitals.samples],
        "trouble": reading.trouble,
        "retain_days": each.retain_days,
        "constituent": each.constituent,
    }
