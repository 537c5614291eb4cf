"""Write what a sensor looks for in the format of its kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import msgspec

from mithaq.kernel.ids import NationId
from mithaq.response.formats import rpz
from mithaq.response.model import Blocklist
from mithaq.response.sensors.formats import alerts, osquery, zeek
from mithaq.response.sensors.model import Line, SensorKind
from mithaq.response.sensors.rules import kept
from mithaq.response.sensors.sids import Numbered, Rule, number
from mithaq.response.settings import BlocklistSettings

INDICATORS = "indicators.ndjson"
ZONE = "rpz/mithaq.zone"


@dataclass(frozen=True, slots=True)
class Writer:
    """What stands in bundles beside their values; `node`: host and port where objects are looked up, or empty."""

    nation: NationId
    node: str
    settings: BlocklistSettings


def files(
    writer: Writer, kind: SensorKind, lines: Sequence[Line], built: Blocklist, given: Sequence[Numbered], serial: int
) -> tuple[dict[str, bytes], list[Numbered]]:
    """Return the files of a bundle, by path, and the numbers of its rules."""
    listed = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    match kind:
        case SensorKind.SURICATA:
            made, numbers = _suricata(writer, lines, given)
            return {INDICATORS: listed, **made}, numbers
        case SensorKind.ZEEK:
            return {INDICATORS: listed, zeek.FILE: zeek.render(lines, writer.nation, writer.node)}, []
        case SensorKind.OSQUERY:
            return {INDICATORS: listed, osquery.FILE: osquery.render(lines)}, []
        case SensorKind.RESOLVER:
            zone = rpz.render(
                tuple(kept(built.entries, kind)),
                built.never,
                origin=writer.settings.rpz_origin,
                serial=serial,
                ttl_s=writer.settings.rpz_ttl_s,
            )
            return {INDICATORS: listed, ZONE: zone}, []
    assert_never(kind)


def _suricata(
    writer: Writer, lines: Sequence[Line], given: Sequence[Numbered]
) -> tuple[dict[str, bytes], list[Numbered]]:
    """Write the rule files and their lists; a rule that stands in two of them has one number."""
    by_file = alerts.rules(lines, writer.node)
    every: list[Rule] = list(dict.fromkeys(rule for made in by_file.values() for rule in made))
    numbers = number(every, given)
    of_rule = dict(zip(every, numbers, strict=True))
    written = {path: alerts.render(made, [of_rule[rule] for rule in made]) for path, made in by_file.items()}
    empty = dict.fromkeys((alerts.RULES, alerts.DATASETS, alerts.FILES), b"")
    return {**empty, **written, **alerts.lists(lines)}, numbers
