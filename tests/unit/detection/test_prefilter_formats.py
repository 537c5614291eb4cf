"""Whatever the parsers find in a line of any format, the prefilter must have named that line for."""

import ipaddress
import json
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from mithaq.detection.prefilter.choice import prefilter
from mithaq.standards.observable import Observable, canonical_observable, names_above
from mithaq.telemetry.model import BrokenLine
from tests.conftest import AT
from tests.unit.telemetry import test_formats
from tests.unit.telemetry.blocks import block

LINES = {
    name: value if isinstance(value, bytes) else json.dumps(value).encode()
    for name, value in vars(test_formats).items()
    if name.isupper() and name not in {"AT", "MD5", "SHA1", "SHA256"} and isinstance(value, bytes | dict)
}
FORMS = ("best", "portable")


def satisfied(seen: Observable) -> Iterator[Observable]:
    """Yield what this observable satisfies, as an indicator would name it."""
    yield seen
    if seen.type == "domain":
        yield from (Observable("domain", name) for name in names_above(seen.value))
    if seen.type in {"ipv4", "ipv6"}:
        for length in (9, 24, 29) if seen.type == "ipv4" else (33, 64, 121):
            network = ipaddress.ip_network(f"{seen.value}/{length}", strict=False)
            found = canonical_observable("cidr", str(network))
            assert found is not None
            yield found


def demand_named(text: bytes, form: str) -> int:
    """Demand that each line is a candidate for each thing the parser finds in it; return how many things there were."""
    whole = block(text, AT)
    count = 0
    asked: dict[Observable, set[bytes]] = {}
    for event in whole.events():
        if not isinstance(event, BrokenLine):
            for _, seen in event.observables:
                for wanted in satisfied(seen):
                    asked.setdefault(wanted, set()).add(event.raw)
    for wanted, lines in asked.items():
        one = prefilter(form)  # type: ignore[arg-type]
        one.add([wanted])
        named = {text[start:end] for start, end in one.candidates(text)}
        assert lines <= named, (wanted, lines - named)
        count += len(lines)
    return count


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", sorted(LINES))
def test_every_format(name: str, form: str) -> None:
    demand_named(LINES[name], form)


@pytest.mark.parametrize("form", FORMS)
def test_the_formats_hold_something_to_be_named(form: str) -> None:
    assert demand_named(b"\n".join(LINES.values()), form) > 60


@pytest.mark.parametrize("form", FORMS)
def test_real_windows_events(data_dir: Path, form: str) -> None:
    archives = sorted((data_dir / "telemetry" / "windows-atomic").glob("*.zip"))
    assert archives
    count = 0
    for path in archives[::4]:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    count += demand_named(b"".join(islice(file, 0, 400, 10)), form)
    assert count > 100


@pytest.mark.parametrize("form", FORMS)
def test_real_zeek_logs(data_dir: Path, form: str) -> None:
    folder = data_dir / "telemetry" / "apt29-zeek"
    with (folder / "combined_zeek.log").open("rb") as file:
        assert demand_named(b"".join(islice(file, 0, 4000, 20)), form) > 100
