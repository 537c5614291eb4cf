"""Whatever the object and the terms: a protected version shows nothing protected and holds nothing removed."""

import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mithaq.agreements.vocabulary import FieldClass, Operation
from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence.imports.misp import import_misp
from mithaq.intelligence.model import ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.kernel import canonical
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.release.exposure import Policy, exposed, findings
from mithaq.release.transforms import Protected, derived_id, protect
from mithaq.standards import stix
from mithaq.standards.pap import pap_of
from mithaq.standards.tlp import Tlp, tlp_of
from tests.conftest import AT
from tests.databases import ready_sqlite
from tests.strategies import uuids
from tests.world import XA

SECRET = b"\x07" * 32
CLASSES: tuple[FieldClass, ...] = get_args(FieldClass)
OPERATIONS: tuple[Operation, ...] = get_args(Operation)

operations = st.dictionaries(st.sampled_from(CLASSES), st.sampled_from(OPERATIONS), min_size=1).map(
    lambda chosen: {
        fields: "drop" if done == "truncate" and fields not in ("internal-address", "free-text") else done
        for fields, done in chosen.items()
    }
)
secrets = st.text(string.ascii_lowercase + string.digits, min_size=6, max_size=10).map(lambda word: f"zq{word}")
octets = st.integers(0, 255)
marked = st.one_of(
    secrets,
    secrets.map(lambda word: f"{word}@{word}.example"),
    secrets.map(lambda word: f"{word}.grid.corp"),
    secrets.map(lambda word: rf"C:\Users\{word}\x"),
    st.tuples(octets, octets, octets).map(lambda three: "10.{}.{}.{}".format(*three)),
    st.integers(10**9, 10**10).map(lambda number: f"+966{number}"),
)
texts = st.lists(marked | st.sampled_from(["and", "then", "(see", "report)", "\n", "é", "ملاحظة"]), max_size=6).map(
    " ".join
)


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    """An object with protected values in any place a value can stand."""
    kind = draw(
        st.sampled_from(["malware", "identity", "note", "report", "sighting", "user-account", "location", "tool"])
    )
    usual: dict[str, Any] = {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{draw(uuids)}",
        "created": "2026-11-23T11:00:00.000Z",
        "modified": "2026-11-23T11:00:00.000Z",
        "object_marking_refs": [Tlp.GREEN.marking_id],
        "labels": ["PAP:AMBER", *draw(st.lists(texts | secrets.map(lambda word: f"victim:{word}"), max_size=2))],
    }
    identity = draw(uuids)
    anything = {
        "name": texts,
        "description": texts,
        "content": texts,
        "aliases": st.lists(texts, max_size=3),
        "contact_information": texts,
        "identity_class": st.sampled_from(["individual", "organization", "class"]),
        "sectors": st.just(["energy"]),
        "created_by_ref": st.just(f"identity--{identity}"),
        "where_sighted_refs": st.just([f"identity--{identity}"]),
        "object_refs": st.just([f"identity--{identity}", f"malware--{identity}"]),
        "external_references": st.lists(
            st.fixed_dictionaries(
                {"source_name": secrets | st.just("cve")}, optional={"url": texts, "description": texts}
            ),
            max_size=2,
        ),
        "account_login": secrets,
        "city": secrets,
        "country": st.just("XA"),
        "x_site": texts | st.dictionaries(secrets, texts, max_size=2),
        "extensions": st.dictionaries(secrets, st.dictionaries(secrets, texts, max_size=1), max_size=1),
        "malware_types": st.lists(texts | st.just("ransomware"), max_size=2),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(anything)), unique=True, max_size=9))
    return usual | {key: draw(anything[key]) for key in chosen}


WORD_IN_TWO_PLACES = {
    "type": "malware",
    "spec_version": "2.1",
    "id": "malware--e3e70682-c209-4cac-a29f-6fbed82c07cd",
    "created": "2026-11-23T11:00:00.000Z",
    "modified": "2026-11-23T11:00:00.000Z",
    "object_marking_refs": [Tlp.GREEN.marking_id],
    "labels": ["PAP:AMBER"],
    "external_references": [{"source_name": "zq000000"}],
    "account_login": "zq000000",
}
"""A text that goes from one place may stand in another as a word."""


@given(objects(), operations, st.frozensets(secrets, max_size=1))
@example(WORD_IN_TWO_PLACES, {"free-text": "drop"}, frozenset())
def test_a_protected_version_shows_and_holds_nothing_that_was_to_go(
    members: dict[str, Any], chosen: dict[FieldClass, Operation], names: frozenset[str]
) -> None:
    policy = Policy(chosen, {"victim-identity": names})
    holds(canonical.dumps(members), policy)


def holds(body: bytes, policy: Policy) -> Protected | None:
    """Everything that must be true of one object's protected version, or of the reason that there is none."""
    done = protect(body, policy, SECRET, {})
    if isinstance(done, Reason):
        assert done.sentence()
        return None
    assert not exposed(done.body, policy) & policy.operations.keys()
    before, after = stix.parse(body), stix.parse(done.body)
    assert tlp_of(after.object_marking_refs) == tlp_of(before.object_marking_refs)
    assert pap_of(after.labels) == pap_of(before.labels)
    assert after.pattern == before.pattern
    again = protect(done.body, policy, SECRET, {})
    assert isinstance(again, Protected)
    assert again.body == done.body, "doing it again changes nothing"
    left = json.dumps(json.loads(done.body), ensure_ascii=False)
    words = {word for word in hidden(json.loads(body), policy) if len(word) >= 4 and not is_common(word)}
    assert not [word for word in words if json.dumps(word, ensure_ascii=False)[1:-1] in left]
    return done


def hidden(members: dict[str, Any], policy: Policy) -> set[str]:
    """Return the names and addresses that may be left nowhere; a free text only loses its place."""
    found: set[str] = set()
    for each in findings(members, policy):
        if each.fields in policy.operations and each.fields != "free-text" and each.kind != "ref":
            found |= {each.text} if each.text else set(texts_below(members, each.path))
    return found


def texts_below(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    for key in path:
        value = value[key]
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_below(inner)


def is_common(word: str) -> bool:
    """Tell a word of the standard from somebody's: only the marked ones of this test can be looked for blindly."""
    return "zq" not in word and "@" not in word and not word.startswith(("10.", "+966"))


FILES = ("turla_misp-mosquito-event.json", "cloudmensis_cloudmensis.misp.json", "windigo_ebury.misp.json")
STRICT = Policy(
    {
        "source-identity": "drop",
        "victim-identity": "drop",
        "personal-data": "pseudonymise",
        "internal-address": "truncate",
        "free-text": "generalise",
    },
    {"source-identity": frozenset({"ESET"})},
)


@pytest.fixture(scope="module", params=FILES)
def real(request: pytest.FixtureRequest, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The objects of a real event."""
    return real_bodies(data_dir / "misp-events" / request.param, tmp_path_factory.mktemp("real"))


@pytest.mark.parametrize("chosen", [STRICT, Policy({"source-identity": "drop"}, STRICT.known)], ids=["all", "source"])
def test_real_events_are_protected_or_kept_back(real: list[bytes], chosen: Policy) -> None:
    made = [holds(body, chosen) for body in real]
    going = [each for each in made if each is not None]
    assert len(going) > len(real) / 2, "most of a real event may still go"
    assert not any(b"ESET" in each.body or b"misp-project" in each.body for each in going)
    secret_ids = {stix.parse(body).id for body in real}
    renamed = {one: derived_id(one, chosen, SECRET) for one in secret_ids}
    for body in real:
        done = protect(body, chosen, SECRET, renamed)
        if isinstance(done, Protected):
            assert not secret_ids & {done.id, *done.stix.refs}, "every reference points at the new ids"


def real_bodies(path: Path, folder: Path) -> list[bytes]:
    database = Database.open(ready_sqlite(folder / "real.db"), run_dir=folder)
    holdings = Holdings(database)
    import_misp(
        holdings,
        path.read_bytes(),
        terms=ImportTerms(XA, ACTUAL, Tlp.GREEN),
        warning_lists=None,
        keep=keep_event,
        at=AT,
    )
    with database.read() as connection:
        bodies = [each.body for each in holdings.rows(connection, range(1, 2000))]
    database.close()
    assert len(bodies) > 10
    return bodies
