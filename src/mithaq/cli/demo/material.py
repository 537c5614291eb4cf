"""The demonstration on real material: one nation has the intelligence, the others the telemetry of an emulation.

The folder holds `misp-events/*.json` and `telemetry/apt29-zeek/` with `combined_zeek.log`, `indicators.json` and, as
the truth, `expected-hits.json`. Its servers have laboratory addresses: they must be detected, flagged by the
warning lists, and refused by the blocklist.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mithaq.cli.demo.nodes import DemoFailed
from mithaq.cli.demo.story import DUTY_OFFICER, RESOLVER, Score, Stage, Story, Tell
from mithaq.detection.model import Hit, Sight
from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence.imports.bundle import import_bundle
from mithaq.intelligence.imports.misp import import_misp
from mithaq.intelligence.model import ImportReport, ImportTerms
from mithaq.intelligence.settings import CLI_FILE
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.response.model import Refusal
from mithaq.standards.observable import recognise
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from mithaq.telemetry.model import Format

_PAGE = 500
_DEADLINE_S = 180.0


@dataclass(frozen=True, slots=True)
class Material:
    """Where the real material lies."""

    root: Path

    @property
    def misp_events(self) -> list[Path]:
        """Return the MISP event files."""
        return sorted((self.root / "misp-events").glob("*.json"))

    @property
    def _emulation(self) -> Path:
        return self.root / "telemetry" / "apt29-zeek"

    @property
    def log(self) -> Path:
        """Return the sensor's log."""
        return (self._emulation / "combined_zeek.log").resolve()

    @property
    def indicators(self) -> Path:
        """Return the emulation's indicators, as a STIX bundle."""
        return self._emulation / "indicators.json"

    def truth(self) -> dict[str, set[int]]:
        """Return for each value the lines of the log that hold it."""
        found = json.loads((self._emulation / "expected-hits.json").read_bytes())["lines"]
        return {value: set(lines) for value, lines in found.items()}

    def check(self) -> None:
        """Refuse a folder that lacks a part.

        Raises:
            DemoFailed: names what is missing.
        """
        for path in (self.log, self.indicators):
            if not path.is_file():
                raise DemoFailed("the material lacks %(name)s", subject=str(self.root), name=path.name)


class RealStory(Story):
    """The same loop on real material: the second nation reads the log first, the third the intelligence first."""

    def __init__(self, stages: Sequence[Stage], tell: Tell, material: Material) -> None:
        super().__init__(stages, tell)
        self.material = material
        self.exact: dict[str, bool] = {}

    def play(self) -> Score:
        """Play the real material; fall out of the story where detection differs from the truth by one line.

        Raises:
            DemoFailed: a hit is missing, or there is one too many.
        """
        early, late = self.partners
        self._read_log(early)
        self.wait_for("the log", partial(_has_read, early), seconds=_DEADLINE_S)
        self._import_events()
        report = self._import_emulation()
        began = time.perf_counter()
        self.tell("imported", count=report.stored, warned=len(report.warned))
        for stage in (early, late):
            self.wait_for("the intelligence", partial(self._knows_all, stage), seconds=_DEADLINE_S)
        self._read_log(late)
        for stage in (early, late):
            self._demand_truth(stage, began)
        self._flagged_and_refused(early)
        self._keep_what_must_stay()
        self._settle()
        return self.score

    def _read_log(self, stage: Stage) -> None:
        at = stage.node.clock.now()
        stage.node.telemetry.add_source(
            "apt29", path=str(self.material.log), line_format=Format.AUTO, by=DUTY_OFFICER, at=at
        )
        self.tell("reading", nation=stage.code, path=self.material.log.name)

    def _import_emulation(self) -> ImportReport:
        node = self.first.node
        at = node.clock.now()
        with self.material.indicators.open("rb") as file:
            report = import_bundle(
                node.holdings,
                file,
                door=CLI_FILE,
                terms=self._terms(),
                warning_lists=node.warning_lists,
                at=at,
            )
        if report.refused or report.broken:
            raise DemoFailed("the emulation's indicators were not all taken", subject=str(report.refused[:3]))
        return report

    def _import_events(self) -> None:
        node = self.first.node
        for path in self.material.misp_events:
            report = import_misp(
                node.holdings,
                path.read_bytes(),
                terms=self._terms(),
                warning_lists=node.warning_lists,
                keep=keep_event,
                at=node.clock.now(),
            )
            self.tell("event", name=path.name, stored=report.stored, refused=len(report.refused))

    def _terms(self) -> ImportTerms:
        return ImportTerms(self.first.code, ACTUAL, tlp=Tlp.GREEN, pap=Pap.GREEN, purpose="defence")

    def _knows_all(self, stage: Stage) -> bool:
        bundle = json.loads(self.material.indicators.read_bytes())
        return all(self._holds(stage, each["id"]) for each in bundle["objects"])

    def _demand_truth(self, stage: Stage, began: float) -> None:
        truth = self.material.truth()
        self.wait_for(f"the hits at {stage.code}", lambda: self._lines(stage) == truth, seconds=_DEADLINE_S)
        self.exact[stage.code] = True
        count = sum(map(len, truth.values()))
        self.score.protection_ms.append((time.perf_counter() - began) * 1000)
        self.tell("exact", nation=stage.code, count=count)

    def _lines(self, stage: Stage) -> dict[str, set[int]]:
        """Return for each value of the truth the lines at which this nation has a hit of its indicator."""
        numbers: dict[bytes, set[int]] = defaultdict(set)
        for number, line in enumerate(self.material.log.read_bytes().splitlines(), 1):
            numbers[line].add(number)
        found: dict[str, set[int]] = {value: set() for value in self.material.truth()}
        for hit in _hits(stage):
            if hit.source == "apt29" and isinstance(hit.sight, Sight) and hit.sight.matched.value in found:
                found[hit.sight.matched.value] |= numbers[hit.raw]
        return found

    def _flagged_and_refused(self, stage: Stage) -> None:
        """Demand that laboratory addresses stand on warning lists and never reach a blocklist."""
        for value in self.material.truth():
            observable = recognise(value)
            if observable is None or observable.type != "ipv4":
                continue
            if not stage.node.warning_lists.warned(observable):
                raise DemoFailed("%(value)s stands on no warning list", value=value)
            answers = stage.node.blocklists.why(value, RESOLVER, stage.node.clock.now())
            if not answers or not all(isinstance(answer, Refusal) for answer in answers):
                raise DemoFailed("%(value)s would be blocked", value=value)
            self.tell("refused", value=value, reasons=_reasons(answers[0]))


def _reasons(answer: Any) -> tuple[Reason, ...]:
    return answer.reasons if isinstance(answer, Refusal) else ()


def _hits(stage: Stage) -> Iterator[Hit]:
    after: int | None = None
    with stage.node.db.read() as connection:
        while True:
            page = stage.node.detection.hits(connection, ACTUAL, after, _PAGE)
            yield from page.hits
            after = page.next
            if after is None:
                return


def _has_read(stage: Stage) -> bool:
    readings = stage.node.telemetry.readings(stage.node.clock.now())
    return all(reading.waiting_bytes == 0 for reading in readings if reading.status.source.name == "apt29")
