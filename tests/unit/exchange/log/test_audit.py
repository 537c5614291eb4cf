"""An auditor with nothing but files: every tampering is named, and Go's public packages say the same."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mithaq.exchange import store
from mithaq.exchange.audit import evidence
from mithaq.exchange.audit.export import export_log
from mithaq.exchange.audit.reconcile import reconcile
from mithaq.exchange.audit.verify import verify_folder
from mithaq.exchange.errors import BadAudit
from mithaq.exchange.log import store as log_store
from mithaq.exchange.log.attached import read_attached
from mithaq.exchange.log.logs import Place
from mithaq.kernel import canonical
from mithaq.kernel.errors import Error
from mithaq.kernel.signing import read_envelope
from mithaq.kernel.tlog.policy import Policy
from mithaq.kernel.tlog.tree import Edge, leaf_hash
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, remembered
from tests.world import XA, XB, XC, Treaty, card_of, signer_of

ROOT = Path(__file__).parents[4]
GOPATH = Path("/usr/share/gocode")
HAS_GO = shutil.which("go") and (GOPATH / "src/golang.org/x/mod/sumdb").is_dir()


@dataclass
class Audited:
    """Two nations that exchanged, and what each exported."""

    countries: list[Country]
    folders: dict[str, Path]
    release: str

    @property
    def first(self) -> Path:
        return self.folders[XA]


@pytest.fixture
def audited(tmp_path: Path, at: datetime) -> Iterator[Audited]:
    def exchange(place: Path) -> list[Country]:
        treaty = Treaty(at)
        a, b, c = alliance(place, (XA, XB, XC), at, treaty)
        a.order(treaty, at)
        for number in range(1, 5):
            a.add(number, at, tlp=Tlp.AMBER if number % 2 else Tlp.GREEN)
            assert deliver(a, b, at) == ["admitted"]
        deliver(a, c, at)
        return [a, b, c]

    countries = remembered(("audited", at), tmp_path, exchange)
    a, b, _ = countries
    folders: dict[str, Path] = {country.nation: tmp_path / f"audit-{country.nation}" for country in (a, b)}
    for country in (a, b):
        export_log(country.context, card_of(country.nation, at), folders[country.nation])
    with a.db.read() as connection:
        release = connection.scalar(select(store.sent.c.release_id).where(store.sent.c.recipient == XB))
    yield Audited(countries, folders, str(release))
    for country in countries:
        country.db.close()


def test_an_exported_log_holds(audited: Audited) -> None:
    verdict = verify_folder(audited.first)
    assert verdict.wrong == []
    assert verdict.origin == "cert.xa.example/releases/2026"
    assert len([name for name in verdict.signed_by if name.endswith("/witness")]) >= 1
    assert verdict.checked["entries"] == verdict.checked["records"] == verdict.size > 6
    assert verdict.checked["receipts"] >= 4
    theirs = verify_folder(audited.folders[XB])
    assert theirs.wrong == []
    assert theirs.checked["proofs"] >= 2


def test_an_auditor_with_a_policy_of_their_own_trusts_no_other_log(audited: Audited) -> None:
    verdict = verify_folder(audited.first, Policy((), {}, {}, "none"))
    assert [what for what, _ in verdict.wrong] == ["checkpoint"]


def _swap(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _tile(folder: Path, kind: str) -> Path:
    return next(path for path in sorted((folder / "tile" / kind).rglob("*")) if path.is_file())


TAMPERINGS: dict[str, Callable[[Path], None]] = {
    "an entry": lambda folder: _flip(_tile(folder, "entries"), 5),
    "a tile": lambda folder: _flip(_tile(folder, "0"), 5),
    "a tile that is missing": lambda folder: _tile(folder, "0").unlink(),
    "a bundle cut off": lambda folder: _cut(_tile(folder, "entries")),
    "the checkpoint": lambda folder: _flip(folder / "checkpoint", 60),
    "a record": lambda folder: _swap(folder / "records.ndjson", "TLP:AMBER", "TLP:CLEAR"),
    "a salt": lambda folder: _swap(folder / "records.ndjson", '"salt":"', '"salt":"AAAA'),
    "the leaf of a record": lambda folder: _swap(folder / "records.ndjson", '"leaf":1,', '"leaf":2,'),
    "a leaf that is not there": lambda folder: _swap(folder / "records.ndjson", '"leaf":1,', '"leaf":99999,'),
    "a line": lambda folder: _swap(folder / "records.ndjson", '"leaf":1,', '"leaf":"1",'),
    "a receipt": lambda folder: _swap(folder / "receipts.ndjson", '"signer":"XB"', '"signer":"XC"'),
    "a card": lambda folder: (folder / "cards" / "XB.json").unlink(),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_every_tampering_is_named(audited: Audited, what: str) -> None:
    TAMPERINGS[what](audited.first)
    verdict = verify_folder(audited.first)
    assert not verdict.holds
    assert all(isinstance(error, Error) for _, error in verdict.wrong)


def test_an_erased_record_leaves_a_log_that_holds(audited: Audited, at: datetime, tmp_path: Path) -> None:
    country = audited.countries[0]
    with country.db.write(at) as tx:
        country.context.log.erase(tx, Place(1, 0))
    export_log(country.context, card_of(XA, at), tmp_path / "again")
    verdict = verify_folder(tmp_path / "again")
    assert verdict.wrong == []
    assert verdict.checked["records"] == verdict.size - 1


def test_nothing_is_written_over(audited: Audited, at: datetime) -> None:
    with pytest.raises(BadAudit, match="not empty"):
        export_log(audited.countries[0].context, card_of(XA, at), audited.first)
    with pytest.raises(BadAudit, match="no such log"):
        export_log(
            audited.countries[0].context, card_of(XA, at), audited.first / "new", "cert.xa.example/releases/2001"
        )


def test_two_honest_logs_say_the_same(audited: Audited) -> None:
    found = reconcile(audited.folders[XA], audited.folders[XB])
    assert (found.first, found.second, found.compared, found.differences) == (XA, XB, 4, ())


def _without(folder: Path, *words: str) -> None:
    lines = (folder / "records.ndjson").read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not all(word in line for word in words)]
    assert len(kept) < len(lines)
    (folder / "records.ndjson").write_text("".join(kept), "utf-8")


@pytest.mark.parametrize(
    ("nation", "words", "kinds"),
    [
        (XA, ['\\"action\\":\\"release\\"', '\\"sequence\\":2', '\\"recipient\\":\\"XB\\"'], ["not-sent"]),
        (XB, ["receipt-given", '\\"sequence\\":3'], ["not-acknowledged", "receipt-not-given"]),
        (XA, ["receipt-taken", '\\"sequence\\":4', '\\"recipient\\":\\"XB\\"'], ["receipt-not-held"]),
    ],
)
def test_what_one_nation_hides_the_other_ones_log_shows(
    audited: Audited, nation: str, words: list[str], kinds: list[str]
) -> None:
    _without(audited.folders[nation], *words)
    found = reconcile(audited.folders[XA], audited.folders[XB])
    assert [each.kind for each in found.differences] == kinds
    assert {(each.sender, each.recipient) for each in found.differences} == {(XA, XB)}


def test_evidence_is_one_file_that_anybody_can_check(audited: Audited, at: datetime) -> None:
    a, b, _ = audited.countries
    for country, receipts in ((a, ("admitted",)), (b, ())):
        found = evidence.check(evidence.gather(country.context, card_of(country.nation, at), audited.release, at))
        assert found.receipts == receipts
        assert (found.sender, found.recipient, found.gathered_by) == (XA, XB, country.nation)
        assert found.witnesses
        assert set(found.fingerprints) == {XA, XB, XC}
    with pytest.raises(BadAudit, match="no release of that name"):
        evidence.gather(a.context, card_of(XA, at), "release--none", at)


def _signed_anew(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    payload = json.loads(read_envelope(data).payload)
    change(payload)
    return signer_of(XA).sign(evidence.EVIDENCE_TYPE, canonical.dumps(payload))


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "no release": lambda value: value.pop("release"),
    "no card": lambda value: value["cards"].pop("XA"),
    "a card under another name": lambda value: value["cards"].update(XB=value["cards"]["XC"]),
    "another release": lambda value: value.update(release_id="release--other"),
    "no agreement": lambda value: value.update(agreement=None),
    "a proof that breaks off": lambda value: value.update(proof=value["proof"][:-9]),
    "another gatherer": lambda value: value.update(gathered_by="XB"),
    "a receipt that is none": lambda value: value.update(receipts=["{}"]),
    "another format": lambda value: value.update(format_version=2),
}


@pytest.mark.parametrize("what", CHANGES)
def test_evidence_that_was_changed_is_refused(audited: Audited, at: datetime, what: str) -> None:
    data = evidence.gather(audited.countries[0].context, card_of(XA, at), audited.release, at)
    evidence.check(data)
    with pytest.raises(Error):
        evidence.check(_signed_anew(data, CHANGES[what]))


@pytest.fixture(scope="module")
def go_audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The auditor's tool, built from Debian's packages of Go and its sumdb."""
    if not HAS_GO:
        pytest.skip("golang-go and golang-golang-x-mod-dev are not installed")
    program = tmp_path_factory.mktemp("go") / "audit-go"
    env = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": str(GOPATH),
        "GOCACHE": str(program.parent / "cache"),
        "GOFLAGS": "",
    }
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=ROOT / "conformance/audit-go", env=env, check=True)
    return program


def _go(program: Path, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


def test_go_comes_to_the_same_verdict(audited: Audited, go_audit: Path, tmp_path: Path, at: datetime) -> None:
    country = audited.countries[0]
    (tmp_path / "older").write_bytes((audited.first / "checkpoint").read_bytes())
    country.add(9, at, tlp=Tlp.AMBER)
    deliver(country, audited.countries[1], at)
    export_log(country.context, card_of(XA, at), tmp_path / "newer")
    with audited.countries[1].db.read() as connection:
        attached = read_attached(
            bytes(connection.scalar(select(log_store.proofs.c.proof).where(log_store.proofs.c.sequence == 1)) or b"")
        )
    (tmp_path / "proof").write_bytes(attached.proof.encode())
    (tmp_path / "record").write_bytes(attached.record)
    files = ("-older", tmp_path / "older", "-proof", tmp_path / "proof", "-record", tmp_path / "record")
    code, found = _go(go_audit, *files, tmp_path / "newer")
    ours = verify_folder(tmp_path / "newer")
    assert (code, found["verdict"], found["wrong"]) == (0, "holds", [])
    assert (found["log"], found["leaves"]) == (ours.origin, ours.size)
    assert set(found["signed_by"]) == set(ours.signed_by)
    assert {name: found["checked"][name] for name in ("entries", "records", "older", "proofs")} == {
        "entries": ours.size, "records": ours.size, "older": 1, "proofs": 1,
    }  # fmt: skip
    (tmp_path / "record").write_bytes(attached.record + b" ")
    assert _go(go_audit, *files, tmp_path / "newer")[0] == 1


def test_go_verifies_a_membership_log_too(audited: Audited, go_audit: Path, tmp_path: Path, at: datetime) -> None:
    """Its tiles, entries and signatures are those of any log; there are no commitments to open."""
    country, folder = audited.countries[0], tmp_path / "membership"
    for each in audited.countries:
        each.membership.follow(at)
    country.log_membership(at)
    export_log(country.context, card_of(XA, at), folder, agreement=Treaty(at).agreement_id)
    code, found = _go(go_audit, folder)
    ours = verify_folder(folder)
    assert (code, found["wrong"], ours.wrong) == (0, [], [])
    assert (found["log"], found["leaves"]) == (ours.origin, ours.size)
    assert set(found["signed_by"]) == set(ours.signed_by)
    assert found["checked"]["entries"] == ours.size > 0
    _flip(folder / f"tile/entries/000.p/{ours.size}", 40)
    assert (_go(go_audit, folder)[0], verify_folder(folder).holds) == (1, False)


GO_CHECKS = ("an entry", "a tile", "a tile that is missing", "a bundle cut off", "the checkpoint", "a record", "a salt")


@pytest.mark.parametrize("what", GO_CHECKS)
def test_go_refuses_what_we_refuse(audited: Audited, go_audit: Path, what: str) -> None:
    TAMPERINGS[what](audited.first)
    code, found = _go(go_audit, audited.first)
    assert (code, found["verdict"]) == (1, "does not hold")


def test_a_log_over_a_thousand_leaves_is_stored_as_it_is_defined(db: Any, at: datetime) -> None:
    """Whatever the batches, the stored tiles are those of the definition."""
    from mithaq.kernel.tlog.tiles import tiles_of
    from tests.unit.kernel.tlog.trees import read_from

    row = None
    entries = [number.to_bytes(32, "big") for number in range(66_100)]
    with db.write(at) as tx:
        tx.execute(log_store.logs.insert().values(origin="x", year=2026, shard=1, size=0, peaks=b""))
    start = 0
    for size in (1, 254, 1, 1, 700, 256, 65_000 - 1_213, 1_100 + 1_213 - 1_213):
        with db.write(at) as tx:
            row = log_store.newest_log(tx.connection, lock=True)
            assert row is not None
            row = log_store.grow(tx, row, entries[start : start + size])
        start += size
    assert row is not None
    assert row.edge == Edge().extended(map(leaf_hash, entries[:start]))
    read = read_from(entries[:start])
    with db.read() as connection:
        assert log_store.newest_log(connection) == row
        for tile in tiles_of(start):
            assert log_store.read_tile(connection, 1, tile) == read(tile)
