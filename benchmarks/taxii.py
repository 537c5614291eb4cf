"""How fast a constituent reads a collection over TAXII: pages of 1,000 objects through HTTP on loopback.

A node's doors run in a process of their own (uvicorn, one process, SQLite), every object is judged anew for each
page, and one client reads the collection from end to end, again and again. The sizes differ by a factor of ten, so
that what grows with the collection shows. The peer is OASIS' own server, medallion 3 with its memory back-end, in
process and without HTTP, on far fewer objects: its time grows with the square of their number.
"""

import gc
import json
import multiprocessing
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
import psutil
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from benchmarks.measure import Result, Size
from mithaq.agreements.service import Agreements
from mithaq.exchange.context import Context
from mithaq.exchange.errors import PartnerUnreachable
from mithaq.exchange.log.flushing import Flusher
from mithaq.exchange.log.service import ReleaseLog
from mithaq.exchange.log.witnessing import Answer
from mithaq.exchange.taxii.doors import TaxiiDoors
from mithaq.exchange.taxii.partners.service import PartnerAccounts
from mithaq.exchange.taxii.posting import Posting
from mithaq.exchange.taxii.resources import Resources
from mithaq.exchange.taxii.service import Collections
from mithaq.exchange.taxii.shelving import Shelving
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.intelligence.service import Holdings
from mithaq.kernel import journal
from mithaq.kernel.clock import SystemClock
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.keystore import Keys
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.constituents.service import Constituents
from mithaq.nations.model import Partner
from mithaq.nations.service import Partners
from mithaq.nations.signer import LocalSigner
from mithaq.node.schema import metadata
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

OWN = NationId("XA")
PAGE = 1_000
_CHUNK = 10_000
_MIN_PAGES = 60
_PEER_OBJECTS = 300


def measure(size: Size, options: object) -> Result:
    """Return p50 and p95 of a page, what it costs the server in processor time, and objects a second, for each size."""
    del options
    many = {"quick": (2_000,), "small": (10_000, 100_000), "full": (10_000, 100_000, 1_000_000)}[size.name]
    figures: dict[str, float] = {}
    runs = _MIN_PAGES
    with tempfile.TemporaryDirectory(prefix="mithaq-taxii-") as folder:
        node = Node(Path(folder))
        held = 0
        for number in many:
            node.grow(held, number, size.seed)
            held = number
            with node.listening() as (address, server):
                before = sum(server.cpu_times()[:2])
                seconds, read = pages(address, node.secret, max(_MIN_PAGES, number // PAGE))
                cpu_s = sum(server.cpu_times()[:2]) - before
            name = f"{number // 1000}k"
            figures[f"page_p50_ms_{name}"] = 1_000 * median(seconds)
            figures[f"page_p95_ms_{name}"] = 1_000 * quantiles(seconds, n=20)[18]
            figures[f"page_cpu_ms_{name}"] = 1_000 * cpu_s / len(seconds)
            figures[f"objects_per_s_{name}"] = read / sum(seconds)
            figures[f"shelved_per_s_{name}"] = node.shelved_per_s
            runs = len(seconds)
        node.db.close()
    peer_s = _medallion(_PEER_OBJECTS)
    medallion = {"objects": float(_PEER_OBJECTS), "page_ms": 1_000 * peer_s, "objects_per_s": _PEER_OBJECTS / peer_s}
    return Result(figures, runs, {"medallion": medallion})


class Node:
    """The parts of a node that serve one constituent."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self._folder = folder
        self._url = url or f"sqlite:///{folder / 'mithaq.db'}"
        self.db = Database.open(self._url, run_dir=folder)
        metadata.create_all(self.db.engine)
        self._holdings, self._clock = Holdings(self.db), SystemClock()
        at = self._clock.now()
        constituents = Constituents(self.db)
        constituents.add("reader", {"en": "Reader"}, [], "soc@reader.example", at)
        Collections(self.db, constituents).add("feed", "Feed", at, audience=("reader",))
        self.secret = constituents.add_account("reader", "bench", timedelta(days=7), at)[1]
        self.shelved_per_s = 0.0

    def grow(self, first: int, end: int, seed: int) -> None:
        """Store indicators, and put them on the shelf."""
        at = self._clock.now()
        word = Provenance("own", OWN, None, None, None, None, Tlp.GREEN, Pap.GREEN, {}, at)
        for start in range(first, end, _CHUNK):
            bodies = [_indicator(number, seed) for number in range(start, min(start + _CHUNK, end))]
            with self.db.write(at) as tx:
                self._holdings.store(tx, [NewObject(body, stix.parse(body), ACTUAL, word) for body in bodies])
        shelving = Shelving(self.db, OWN, self._clock.now)
        reader, begun = shelving.reader(), time.perf_counter()
        while journal.run_once(self.db, reader, self._clock.now()):
            pass
        self.shelved_per_s = (end - first) / (time.perf_counter() - begun)

    @contextmanager
    def listening(self) -> Iterator[tuple[str, psutil.Process]]:
        """Serve in a process of its own; yield the address of the collection's objects, and the process."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            arguments = (self._url, str(self._folder), listener.fileno())
            listener.set_inheritable(True)
            server = multiprocessing.get_context("fork").Process(target=_serve, args=arguments, daemon=True)
            server.start()
            try:
                place = f"http://127.0.0.1:{listener.getsockname()[1]}/taxii2/mithaq/collections/feed/objects/"
                yield place, psutil.Process(server.pid)
            finally:
                server.terminate()
                server.join()


def _serve(url: str, folder: str, descriptor: int) -> None:
    db = Database.open(url, run_dir=Path(folder))
    context = context_of(db)
    resources = Resources(context, Posting(db, context.holdings, OWN), title="XA", contact="")
    doors = TaxiiDoors(resources, Constituents(db), PartnerAccounts(context), SystemClock(), Path(folder))
    app = Starlette(routes=[Mount("/taxii2", doors)])
    gc.collect()
    gc.freeze()  # as the supervisor does before a node's roles begin
    config = uvicorn.Config(app, fd=descriptor, log_level="critical", access_log=False, ws="none", lifespan="off")
    uvicorn.Server(config).run()


def context_of(db: Database) -> Context:
    """Return what the exchange stands on, at a nation without partners."""
    keys = Keys.generate()
    signer, partners = LocalSigner(keys, OWN), Partners(db, OWN)
    agreements = Agreements(db, OWN, keys.signing.verify_key, partners)
    flusher = Flusher(db, ReleaseLog(db, OWN, signer), partners, _nobody)
    return Context(db, OWN, Holdings(db), agreements, partners, signer, flusher)


def _nobody(partner: Partner, request: bytes, at: datetime) -> Answer:
    del request, at
    raise PartnerUnreachable("the node of %(nation)s does not answer", nation=partner.nation)


def pages(address: str, secret: str, wanted: int) -> tuple[list[float], int]:
    """Read the collection from end to end until so many pages have come; return their seconds, and the objects."""
    headers = {"authorization": f"Bearer {secret}", "accept-encoding": "identity"}
    seconds: list[float] = []
    read = 0
    with httpx.Client(headers=headers, timeout=60) as client:
        client.get(address)
        asked: dict[str, str] = {"limit": str(PAGE)}
        while len(seconds) < wanted:
            begun = time.perf_counter()
            body = client.get(address, params=asked).content
            seconds.append(time.perf_counter() - begun)
            page = json.loads(body)
            read += len(page["objects"])
            asked = {"limit": str(PAGE), "next": page["next"]} if page["more"] else {"limit": str(PAGE)}
        return seconds, read


def _indicator(number: int, seed: int) -> bytes:
    made_at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=number)
    at = made_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps(
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{uuid.uuid5(uuid.NAMESPACE_URL, f'{seed}/{number}')}",
            "created": at,
            "modified": at,
            "name": f"Beacon {number} of the quiet crane",
            "description": "Seen in the control network of a substation; the host asks for it every ninety seconds.",
            "pattern": f"[domain-name:value = 'host-{number}.example']",
            "pattern_type": "stix",
            "valid_from": at,
            "labels": ["PAP:GREEN"],
            "object_marking_refs": [Tlp.GREEN.marking_id],
        }
    ).encode()


def _medallion(number: int) -> float:
    """Return how long medallion takes for a page of so many objects, all that it holds."""
    from medallion import application_instance, register_blueprints, set_config

    objects = [json.loads(_indicator(each, 1)) for each in range(number)]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(_peer_data(objects), file)
        file.flush()
        application = application_instance
        set_config(application, "users", {"users": {"reader": "secret"}})
        set_config(application, "taxii", {"taxii": {"max_page_size": PAGE}})
        backend = {
            "module": "medallion.backends.memory_backend",
            "module_class": "MemoryBackend",
            "filename": file.name,
        }
        set_config(application, "backend", {"backend": backend})
        register_blueprints(application)
        client = application.test_client()
        begun = time.perf_counter()
        answer = client.get(
            "/peer/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/objects/",
            headers={"Accept": "application/taxii+json;version=2.1"},
            auth=("reader", "secret"),
        )
        taken = time.perf_counter() - begun
        if len(answer.get_json()["objects"]) != number:
            raise RuntimeError(f"medallion answered {answer.status_code}")
        return taken


def _peer_data(objects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    records = [
        {
            "id": each["id"],
            "date_added": each["modified"],
            "version": each["modified"],
            "media_type": "application/stix+json;version=2.1",
        }
        for each in objects
    ]
    collection = {
        "id": "91a7b528-80eb-42ed-a74d-c6fbd5a26116",
        "title": "Feed",
        "can_read": True,
        "can_write": True,
        "media_types": ["application/stix+json;version=2.1"],
        "manifest": records,
        "objects": list(objects),
    }
    information = {
        "title": "Peer",
        "versions": ["application/taxii+json;version=2.1"],
        "max_content_length": 9_765_625,
    }
    return {
        "/discovery": {"title": "Peer", "default": "/peer/", "api_roots": ["/peer/"]},
        "peer": {"information": information, "status": [], "collections": [collection]},
    }
