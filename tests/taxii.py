"""A node that serves constituents over TAXII, for tests: real database, gate, shelves and doors."""

import base64
import json
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from mithaq.api.app import machine_doors
from mithaq.exchange.taxii.shelving import Shelving
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction
from mithaq.kernel import canonical, journal
from mithaq.kernel.clock import FixedClock
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.node.composition import Node
from mithaq.release.model import Carried
from mithaq.standards import stix
from mithaq.standards.pap import Pap, pap_of
from mithaq.standards.tlp import Tlp, tlp_of
from tests.country import Country
from tests.doors import answering
from tests.pages import node_of
from tests.world import XA, XB, Treaty

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have httpx2, which is no dependency of this project
    from starlette.testclient import TestClient

GRID, BANK = "grid-operator", "central-bank"
TAXII = "application/taxii+json;version=2.1"
ROOT = "/taxii2/mithaq/"


@dataclass
class Served:
    """A nation's node, two constituents, and who asks."""

    country: Country
    node: Node
    clock: FixedClock
    shelving: Shelving
    reader: journal.Reader

    @staticmethod
    def found(
        folder: Path, at: datetime, url: str | None = None, *, rehearses: bool = False, nation: NationId = XA
    ) -> "Served":
        country = Country.found(nation, folder / nation, url)
        clock = FixedClock(at)
        node = node_of(country, folder, clock, rehearses=rehearses)
        for name in (GRID, BANK):
            node.constituents.add(name, {"en": name}, [], "soc@example", at)
        shelving = Shelving(node.db, node.nation, clock.now)
        return Served(country, node, clock, shelving, shelving.reader())

    def collection(self, alias: str = "feed", **rest: Any) -> str:
        rest.setdefault("audience", (GRID,))
        return self.node.collections.add(alias, f"Title of {alias}", self.clock.now(), **rest).id

    def store(
        self, *bodies: bytes, lane: Lane = ACTUAL, partner: Carried | None = None, may_conflict: bool = False
    ) -> list[str]:
        """Store objects as this nation's own, or as a partner's under the terms that came with them."""
        new = []
        for body in bodies:
            parsed = stix.parse(body)
            tlp, pap = tlp_of(parsed.object_marking_refs), pap_of(parsed.labels)
            said = Provenance(
                "own", XA, None, None, None, None, Tlp.RED if tlp is None else tlp, pap, {}, self.clock.now()
            )
            if partner is not None:
                said = replace(
                    said, source="partner", nation=XB, agreement_id=partner.agreement.id, carried=partner.as_json(),
                    release_id="release--1",
                )  # fmt: skip
            new.append(NewObject(body, parsed, lane, said))
        with self.node.db.write(self.clock.now()) as tx:
            report = self.node.holdings.store(tx, new)
        assert may_conflict or report.refused == ()
        self.settle()
        return [each.stix.id for each in new]

    def instruct(self, object_id: str, agreement_id: str) -> None:
        """Instruct, as a person, the release of an object that is held."""
        with self.node.db.write(self.clock.now()) as tx:
            held = self.node.holdings.get(tx.connection, object_id, ACTUAL)[0]
            asked = ReleaseInstruction(agreement_id, None, "defence", "person--1")
            word = held.provenance[0]
            self.node.holdings.store(tx, [NewObject(held.body, held.stix, ACTUAL, word, asked)])
        self.settle()

    def settle(self) -> None:
        while journal.run_once(self.node.db, self.reader, self.clock.now()) or self.shelving.fill(self.clock.now()):
            pass

    @cached_property
    def app(self) -> Starlette:
        """The doors for machines, made once for all who ask."""
        return Starlette(routes=machine_doors(self.node))

    def secret(
        self, constituent: str = GRID, *, may_write: bool = True, days: int = 30, collection: str | None = None
    ) -> str:
        return self.node.constituents.add_account(
            constituent, "siem", timedelta(days=days), self.clock.now(), may_write=may_write, collection=collection
        )[1]

    def client(self, constituent: str = GRID, *, may_write: bool = True) -> TestClient:
        client = TestClient(self.app, raise_server_exceptions=False)
        client.headers.update(
            {"accept": TAXII, "authorization": basic(constituent, self.secret(constituent, may_write=may_write))}
        )
        client.follow_redirects = False
        return client


def listening_node(served: Served) -> AbstractContextManager[str]:
    """Serve a node's doors for machines on loopback until the block ends; give their address."""
    return answering(served.app)


def basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def made(
    number: int,
    kind: str = "indicator",
    *,
    tlp: Tlp | None = Tlp.GREEN,
    pap: Pap | None = Pap.GREEN,
    modified: str = "2026-11-23T11:00:00.000Z",
    **changes: Any,
) -> bytes:
    """The bytes of one STIX object, with spaces that no serialiser would write again."""
    fields: dict[str, Any] = {
        "type": kind,
        "spec_version": "2.1",
        "id": name(number, kind),
        "created": "2026-11-23T11:00:00.000Z",
        "modified": modified,
        "labels": [pap.label] if pap is not None else ["unlabelled"],
        "object_marking_refs": [tlp.marking_id] if tlp is not None else [],
    }
    if kind == "indicator":
        fields |= {
            "pattern": f"[ipv4-addr:value = '198.51.{number // 256}.{number % 256}']",
            "pattern_type": "stix",
            "valid_from": "2026-11-23T11:00:00.000Z",
        }
    if not fields["object_marking_refs"]:
        del fields["object_marking_refs"]
    return canonical.dumps(fields | changes).replace(b'{"', b'{  "', 1)


def name(number: int, kind: str = "indicator") -> str:
    return f"{kind}--00000000-0000-4000-8000-{number:012d}"


def carried(at: datetime, *, constituents: Tlp | None = Tlp.GREEN, days: int = 30, action: int = 4) -> Carried:
    return Carried(
        XB, Treaty(at).agreement.reference, Tlp.GREEN, Pap.GREEN, frozenset({"defence"}), "none", frozenset(),
        constituents, at + timedelta(days=days), permitted_action=action,
    )  # fmt: skip


def ids_in(body: bytes) -> list[str]:
    return [each["id"] for each in json.loads(body)["objects"]]
