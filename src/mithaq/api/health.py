"""Whether the node lives, is ready, and how it does: for probes and Prometheus."""

from collections.abc import Iterator
from datetime import datetime

import anyio.to_thread
from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mithaq import __version__
from mithaq.api.access import bearer
from mithaq.api.problems import problem, status_of
from mithaq.detection.hits import breaker
from mithaq.exchange import ledger
from mithaq.kernel import journal
from mithaq.kernel.database import cursors
from mithaq.kernel.errors import Error
from mithaq.nations.people.model import Verb
from mithaq.nations.signer import SOCKET_NAME
from mithaq.node.composition import Node

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def routes(node: Node) -> list[Route]:
    """Return the routes of health; only `/metrics` needs a token, because counts may tell of what is withheld."""
    check = bearer(node, Verb.NODE_READ)

    async def livez(request: Request) -> Response:
        del request
        return PlainTextResponse("alive\n")

    async def readyz(request: Request) -> Response:
        del request
        ready = await anyio.to_thread.run_sync(_ready, node)
        return PlainTextResponse("ready\n" if ready else "not ready\n", status_code=200 if ready else 503)

    def metrics(request: Request) -> Response:
        try:
            check(request)
        except Error as error:
            return problem(status_of(error), error.code, str(error))
        with node.db.read() as connection:
            return PlainTextResponse("".join(_lines(node, connection)), media_type=_PROMETHEUS)

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]


def _ready(node: Node) -> bool:
    """Tell whether the database answers and the signer is there."""
    with node.db.read() as connection:
        journal.last_seq(connection)
    return (node.run_dir / SOCKET_NAME).exists()


def _lines(node: Node, connection: Connection) -> Iterator[str]:
    yield _line("mithaq_build_info", 1, version=__version__, nation=node.nation)
    yield _line("mithaq_journal_entries_total", journal.last_seq(connection))
    for row in connection.execute(select(cursors.c.reader)):
        yield _line("mithaq_reader_lag_entries", journal.lag(connection, row.reader), reader=row.reader)
    counts = node.detection.counts(connection)
    for state in ("new", "confirmed", "dismissed"):
        yield _line("mithaq_hits", getattr(counts, state), state=state)
    yield _line("mithaq_hit_breakers_stopped", len(breaker.stopped(connection, limit=1_000)))
    for name, count in ledger.counts(connection).items():
        yield _line(f"mithaq_exchange_{name}", count)
    at = node.clock.now()
    partners = [partner.nation for partner in node.partners.all(connection)]
    for channel in ledger.channels(connection, partners):
        yield _line("mithaq_channel_waiting", channel.waiting, partner=channel.partner)
        yield _line("mithaq_channel_lag_seconds", channel.lag(at).total_seconds(), partner=channel.partner)
        yield _line("mithaq_channel_trouble", int(channel.trouble is not None), partner=channel.partner)
    yield from _sensors(node, at)
    yield from _telemetry(node, at)
    for each in node.files.counts():
        for state in ("waiting", "scanned", "refused", "unfinished"):
            yield _line("mithaq_files", getattr(each, state), source=each.source, state=state)


def _sensors(node: Node, at: datetime) -> Iterator[str]:
    for sensor in node.sensors.all():
        if sensor.revoked_at is None:
            yield _line("mithaq_sensor_version", sensor.version, sensor=sensor.name)
            yield _line("mithaq_sensor_fetched_version", sensor.pulled_version, sensor=sensor.name)
            if sensor.pulled_at is not None:
                seconds = (at - sensor.pulled_at).total_seconds()
                yield _line("mithaq_sensor_since_fetch_seconds", seconds, sensor=sensor.name)


def _telemetry(node: Node, at: datetime) -> Iterator[str]:
    for reading in node.telemetry.readings(at):
        name, status, vitals = reading.status.source.name, reading.status, reading.vitals
        yield _line("mithaq_telemetry_lines_total", status.lines, source=name)
        yield _line("mithaq_telemetry_events_total", status.events, source=name)
        yield _line("mithaq_telemetry_broken_total", status.broken, source=name)
        yield _line("mithaq_telemetry_events_per_second", vitals.events_per_s, source=name)
        yield _line("mithaq_telemetry_waiting_bytes", reading.waiting_bytes, source=name)
        if vitals.lag_s is not None:
            yield _line("mithaq_telemetry_lag_seconds", vitals.lag_s, source=name)
        yield _line("mithaq_telemetry_silent", int(vitals.is_silent), source=name)
        yield _line("mithaq_telemetry_fields_gone", len(vitals.gone), source=name)
        yield _line("mithaq_telemetry_trouble", int(bool(reading.trouble)), source=name)
    for kept in node.telemetry.holdings():
        yield _line("mithaq_lake_bytes", kept.bytes, source=kept.source)
        yield _line("mithaq_lake_unsealed_bytes", kept.waiting_bytes, source=kept.source)
        yield _line("mithaq_lake_troubled_segments", kept.troubled, source=kept.source)


def _line(name: str, value: float, **labels: str) -> str:
    """Return one sample (Prometheus text exposition 0.0.4); label values are codes of this node, never foreign."""
    shown = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{shown}}} {value}\n" if shown else f"{name} {value}\n"
