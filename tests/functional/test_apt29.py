"""The real Zeek log of an APT29 emulation, against the truth that lies beside it."""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.detection.model import Hit
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.release.model import Recipient
from mithaq.response.model import Refusal
from mithaq.response.service import Blocklists
from mithaq.response.settings import BlocklistSettings
from mithaq.standards.pap import Pap
from mithaq.standards.stix import parse, split_bundle
from mithaq.standards.stix.bundle import Piece
from mithaq.standards.tlp import Tlp
from mithaq.telemetry.model import Format, event_id
from mithaq.telemetry.settings import TelemetryLimits
from tests.unit.detection.worlds import Bench

LOG = "telemetry/apt29-zeek"
PARTNER = NationId("XB")


@pytest.fixture
def folder(data_dir: Path) -> Path:
    path = data_dir / LOG
    if not path.is_dir():
        pytest.skip(f"the APT29 log is not there: {path}")
    return path


@pytest.fixture
def truth(folder: Path) -> dict[str, list[int]]:
    lines: dict[str, list[int]] = json.loads((folder / "expected-hits.json").read_text())["lines"]
    return lines


@pytest.fixture
def bench(db: Database, tmp_path: Path, at: datetime, folder: Path) -> Iterator[Bench]:
    bench = Bench(db, tmp_path, at, TelemetryLimits(segment_bytes=300_000))
    log = folder / "combined_zeek.log"
    bench.telemetry.add_source("nashua", path=str(log), line_format=Format.AUTO, by="test", at=at)
    bench.start()
    yield bench
    bench.detector.close()


def indicators(folder: Path, at: datetime) -> list[NewObject]:
    pieces = split_bundle((folder / "indicators.json").read_bytes())
    provenance = Provenance(
        source="partner",
        nation=PARTNER,
        agreement_id="agreement--1",
        agreement_version=1,
        release_id=None,
        purpose="defence",
        tlp=Tlp.GREEN,
        pap=Pap.GREEN,
        carried={},
        received_at=at,
    )
    return [
        NewObject(piece.body, parse(piece.body), ACTUAL, provenance) for piece in pieces if isinstance(piece, Piece)
    ]


def lines_by_value(bench: Bench, folder: Path) -> dict[str, list[int]]:
    numbers: dict[str, int] = {}
    offset = 0
    with (folder / "combined_zeek.log").open("rb") as file:
        for number, line in enumerate(file, 1):
            numbers[event_id("nashua", offset, line.removesuffix(b"\n"))] = number
            offset += len(line)
    found: dict[str, list[int]] = {}
    for hit in bench.hits():
        found.setdefault(hit.sight.matched.value, []).append(numbers[hit.event_id])
    return {value: sorted(lines) for value, lines in found.items()}


def expected(truth: dict[str, list[int]]) -> dict[str, list[int]]:
    return {value: lines for value, lines in truth.items() if lines}


def test_live_hits_are_the_truth_line_by_line(
    bench: Bench, folder: Path, truth: dict[str, list[int]], at: datetime
) -> None:
    bench.store(*indicators(folder, at))
    bench.settle()
    assert lines_by_value(bench, folder) == expected(truth)
    assert not any(hit.retro for hit in bench.hits())


def test_hits_found_in_retrospect_are_the_truth_line_by_line(
    bench: Bench, folder: Path, truth: dict[str, list[int]], at: datetime
) -> None:
    bench.settle()
    bench.store(*indicators(folder, at))
    bench.settle()
    assert lines_by_value(bench, folder) == expected(truth)
    assert all(hit.retro for hit in bench.hits())


def test_every_line_of_the_log_is_read_and_none_is_broken(bench: Bench, at: datetime) -> None:
    bench.settle()
    (reading,) = bench.telemetry.readings(at)
    assert (reading.status.lines, reading.status.events, reading.status.broken) == (2140, 2140, 0)
    assert reading.waiting_bytes == 0


def test_the_sensors_own_files_give_the_same_hits_as_the_combined_log(
    bench: Bench, folder: Path, truth: dict[str, list[int]], at: datetime
) -> None:
    bench.store(*indicators(folder, at))
    bench.source("sensors")
    for sensor in ("NASHUA", "SCRANTON"):
        with zipfile.ZipFile(io.BytesIO((folder / f"{sensor}-zeek_logs.zip").read_bytes())) as archive:
            for name in archive.namelist():
                bench.telemetry.push("sensors", archive.read(name))
    bench.settle()
    combined, sensors = count_by_value(bench.hits(), "nashua"), count_by_value(bench.hits(), "sensors")
    assert combined == {value: len(lines) for value, lines in expected(truth).items()}
    assert sensors == combined


def count_by_value(hits: Sequence[Hit], source: str) -> dict[str, int]:
    return Counter(hit.sight.matched.value for hit in hits if hit.source == source)


def test_laboratory_addresses_are_detected_but_never_blocked(
    bench: Bench, db: Database, folder: Path, at: datetime, tmp_path: Path
) -> None:
    bench.store(*indicators(folder, at))
    settings = BlocklistSettings(permit_documentation_ranges=True)
    blocklists = Blocklists(db, bench.holdings, NationId("XA"), WarningLists(tmp_path / "lists"), settings)
    (refused,) = blocklists.why("192.168.0.4", Recipient("sensor", "edge"), at)
    assert isinstance(refused, Refusal)
    assert {"special-address", "warning-list", "no-expiry"} <= {reason.code for reason in refused.reasons}
    assert blocklists.build(Recipient("sensor", "edge"), at).entries == ()
