"""A small node for tests of detection: holdings, a pushed source, and a detector driven step by step."""

import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from mithaq.detection import store
from mithaq.detection.detector import Detector
from mithaq.detection.hunts.hunter import Hunter
from mithaq.detection.hunts.unsealed import LaunchHunter
from mithaq.detection.model import Hit
from mithaq.detection.settings import DetectionLimits
from mithaq.intelligence.model import NewObject, Provenance, StoreReport
from mithaq.intelligence.service import Holdings
from mithaq.kernel.clock import FixedClock, rfc3339
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.pap import Pap
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp
from mithaq.telemetry.model import Format
from mithaq.telemetry.service import Telemetry
from mithaq.telemetry.settings import TelemetryLimits

PARTNER, OWN = NationId("XB"), NationId("XA")
AGREEMENT = "agreement--1"
LIMITS = DetectionLimits(hunt_linger_s=0.0, hits_a_transaction=3, segments_before_merge=3)


def indicator(
    pattern: str,
    at: datetime,
    *,
    stix_id: str | None = None,
    lane: Lane = ACTUAL,
    until: datetime | None = None,
    revoked: bool = False,
    partner: bool = True,
    pattern_type: str = "stix",
) -> NewObject:
    """Return an indicator as exchange (or, with `partner=False`, an analyst) would store it."""
    fields = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": stix_id or f"indicator--{uuid.uuid4()}",
        "created": rfc3339(at),
        "modified": rfc3339(at),
        "pattern": pattern,
        "pattern_type": pattern_type,
        "valid_from": rfc3339(at - timedelta(days=1)),
        "object_marking_refs": [Tlp.GREEN.marking_id],
    }
    if until is not None:
        fields["valid_until"] = rfc3339(until)
    if revoked:
        fields["revoked"] = True
    body = json.dumps(fields).encode()
    provenance = Provenance(
        source="partner" if partner else "own",
        nation=PARTNER if partner else OWN,
        agreement_id=AGREEMENT if partner else None,
        agreement_version=2 if partner else None,
        release_id=None,
        purpose="defence",
        tlp=Tlp.GREEN,
        pap=Pap.GREEN,
        carried={},
        received_at=at,
    )
    return NewObject(body, parse(body), lane, provenance)


class Bench:
    """A node's detection with its hunter run in this process, so that every step is the test's."""

    def __init__(
        self,
        db: Database,
        data: Path,
        at: datetime,
        telemetry_limits: TelemetryLimits | None = None,
        limits: DetectionLimits = LIMITS,
    ) -> None:
        self.db, self.data, self.at = db, data, at
        self.limits = telemetry_limits or TelemetryLimits()
        self.detection_limits = limits
        self.holdings = Holdings(db)
        self.telemetry = Telemetry(db, data, self.limits)
        self.hunts_run = 0
        self.detector = self._new()

    def _new(self) -> Detector:
        launch: LaunchHunter = self._launch
        limits = self.detection_limits
        return Detector(self.db, self.holdings, self.data, launch, limits=limits, telemetry_limits=self.limits)

    def _launch(self) -> "subprocess.Popen[bytes]":
        self.hunts_run += 1
        self.hunt()
        return subprocess.Popen((sys.executable, "-c", ""))

    def hunt(self) -> int:
        """Run the hunter here and now; return how many hits it found."""
        return Hunter(self.db, self.holdings, self.data, self.detection_limits).run(FixedClock(self.at))

    def source(self, name: str = "zeek", lane: Lane = ACTUAL) -> None:
        """Add a source that is pushed to."""
        self.telemetry.add_source(name, path="", line_format=Format.AUTO, by="test", at=self.at, lane=lane)

    def start(self) -> None:
        """Begin the detector's process."""
        self.detector.start(self.at)

    def crash(self) -> None:
        """Begin another process in its place."""
        self.detector.close()
        self.detector = self._new()
        self.start()

    def store(self, *objects: NewObject) -> StoreReport:
        """Put objects into the holdings."""
        with self.db.write(self.at) as tx:
            return self.holdings.store(tx, objects)

    def push(self, *records: dict[str, object], source: str = "zeek") -> None:
        """Push records as lines."""
        self.telemetry.push(source, b"\n".join(json.dumps(record).encode() for record in records))

    def settle(self) -> None:
        """Take steps until there is nothing left to do."""
        while True:
            self.detector.learn(self.at)
            busy = self.detector.read(self.at)
            self.detector.hunts.step(self.at)
            if not busy and not self.detector.is_busy():
                return
            self.detector.rules_settled(60)

    def hits(self, lane: Lane | None = None) -> Sequence[Hit]:
        """Return all hits, oldest first."""
        with self.db.read() as connection:
            return list(reversed(store.list_hits(connection, lane=lane, limit=100_000)))
