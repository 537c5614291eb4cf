"""Run cases against a node: lay a story out, hold the node's answer to what the case expects, see that it lives on."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from conformance import releases, requests
from conformance.bench import Bench
from conformance.station import Station

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what a nation does, and what a node has to make of it.

    `expect`: `admitted`; `quarantined` with at least these reasons; `unchanged`, so that the node asks for the same
    number again; or a `status` with the code of a problem.
    """

    name: str
    what: str
    attack: int
    door: Literal["releases", "requests"]
    expect: Literal["admitted", "quarantined", "unchanged", "status"]
    reasons: frozenset[str] = frozenset()
    status: int = 0
    code: str = ""

    @property
    def story(self) -> str:
        """Return the name of the story that the case tells."""
        return self.name.rpartition("_")[0]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a node made of one case; `fault` is empty where it did what it has to."""

    case: Case
    fault: str

    def as_json(self) -> dict[str, object]:
        """Return the outcome as JSON values."""
        return {"case": self.case.name, "what": self.case.what, "passed": not self.fault, "fault": self.fault}


def cases(folder: Path = CASES) -> list[Case]:
    """Read every case, by name.

    Raises:
        ValueError: a case's name does not say its verdict, its story does not exist, or a field is missing.
    """
    return [_case(path) for path in sorted(folder.glob("*/case.toml"))]


def _case(path: Path) -> Case:
    value: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    name = path.parent.name
    case = Case(
        name,
        value["what"],
        value.get("attack", 0),
        value["door"],
        value["expect"],
        frozenset(value.get("reasons", ())),
        value.get("status", 0),
        value.get("code", ""),
    )
    good = case.expect == "admitted" or (case.expect == "status" and case.status < 300)
    if not name.endswith("_pass" if good else "_fail"):
        raise ValueError(f"{name}: the name does not say what is expected")
    if case.story not in (releases.STORIES if case.door == "releases" else requests.STORIES):
        raise ValueError(f"{name}: there is no such story")
    return case


def run(bench: Bench, chosen: Sequence[Case]) -> Iterator[Outcome]:
    """Run cases one after the other; after each, the node must still take what is true."""
    for case in chosen:
        try:
            fault = _release(bench, case) if case.door == "releases" else _request(bench, case)
            if not fault and not bench.still_takes_what_is_true(bench.first):
                fault = "afterwards the node does not take a true release"
        except (TimeoutError, OSError) as error:
            fault = str(error)
        yield Outcome(case, fault)


def _release(bench: Bench, case: Case) -> str:
    station = bench.first
    before, due, receipts = station.cursor, station.cursor + 1, len(station.receipts)
    strange = len(station.strange)
    packed = {"Content_Encoding": "gzip"} if case.story == "compressed_bomb" else {}
    bench.give(station, releases.STORIES[case.story](bench, station, due), **packed)
    if len(station.strange) > strange:
        return f"the node did what no partner does: {station.strange[-1]}"
    if case.expect == "unchanged":
        return _unchanged(station, before, receipts)
    receipt = bench.receipt(station, due)
    if receipt is None:
        return f"no receipt came for number {due}"
    if receipt.outcome != case.expect:
        return f"the receipt says {receipt.outcome}"
    said = {reason.code for _, reasons in receipt.refused for reason in reasons}
    return f"reasons missing: {sorted(case.reasons - said)}, said: {sorted(said)}" if case.reasons - said else ""


def _unchanged(station: Station, before: int, receipts: int) -> str:
    if station.cursor != before:
        return f"the node asks after {station.cursor} instead of {before}"
    return "the node sent a receipt" if len(station.receipts) > receipts else ""


def _request(bench: Bench, case: Case) -> str:
    answer = requests.STORIES[case.story](bench)
    if answer.status_code != case.status:
        return f"the node answers {answer.status_code}: {answer.text[:200]}"
    if not case.code:
        return ""
    kind = answer.json().get("type", "") if "json" in answer.headers.get("content-type", "") else ""
    return "" if kind == f"urn:mithaq:error:{case.code}" else f"the problem is {kind or 'none'}"
