"""Found, join and run the three nodes of the demonstration, each with a data folder of its own."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import httpx

from mithaq.cli.demo.coalition import COALITION, DemoNation, treaty
from mithaq.cli.roles import preload, roles
from mithaq.cli.serve import write_passphrase
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.errors import Error
from mithaq.nations.people.model import Verb
from mithaq.node.composition import Node, compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found
from mithaq.node.settings import Settings
from mithaq.node.supervisor import Supervisor, fork_role

ORDERED_BY = "person--demonstration-releaser"
_PROGRAM_VERBS = frozenset(
    {Verb.INTELLIGENCE_READ, Verb.INTELLIGENCE_WRITE, Verb.TELEMETRY_PUSH, Verb.DETECTION_READ, Verb.DETECTION_CONFIRM}
)
START_TIMEOUT_S = 30.0
SENSOR = "sensor"


class DemoFailed(Error):
    """The demonstration could not go on."""

    code = "demo-failed"


@dataclass
class DemoNode:
    """One nation's node in the demonstration."""

    nation: DemoNation
    root: Path
    port: int
    passphrase_file: Path
    pid: int = 0
    token: str = ""
    link: str = ""

    @property
    def url(self) -> str:
        """Return the node's address."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> Node:
        """Open the node's services; the running signer is used where there is one."""
        return compose(self.root, passphrase=self.passphrase_file.read_bytes().strip())


def found_coalition(root: Path, at: datetime, *, witnesses: int = 1) -> list[DemoNode]:
    """Found three nodes that trust each other and have all signed one agreement, each by its own hand."""
    nodes = [_found(nation, root, at) for nation in COALITION]
    opened = [node.open() for node in nodes]
    cards = [node.card_bytes() for node in opened]
    known = [node.partners for node in opened]
    for place, partners in enumerate(known):
        for other, card in enumerate(cards):
            if other != place:
                partner = partners.add(card, at=at, actor=ORDERED_BY)
                partners.confirm(partner.nation, partner.card.fingerprint, at=at, actor=ORDERED_BY)
    _sign_treaty(opened, at, witnesses)
    for node, demo in zip(opened, nodes, strict=True):
        _equip(node, demo, at)
        node.close()
    return nodes


def _found(nation: DemoNation, root: Path, at: datetime) -> DemoNode:
    folder = root / nation.code
    secret = root / f"{nation.code}.passphrase"
    port = _free_port()
    settings = Settings(
        nation=nation.code,
        names=nation.names,
        contact=nation.contact,
        listen_port=port,
        public_url=f"http://localhost:{port}",
        language=nation.language,
        permit_documentation_ranges=True,
    )
    found(DataFolder(folder), settings, write_passphrase(secret), at)
    return DemoNode(nation, folder, port, secret)


def _sign_treaty(opened: Sequence[Node], at: datetime, witnesses: int) -> None:
    from mithaq.node.founding import own_card

    document = treaty([own_card(node.folder) for node in opened], at, witnesses=witnesses)
    first, *others = opened
    envelope = first.agreements.propose(document, first.signer, at=at, actor=ORDERED_BY).envelope.encode()
    for node in others:
        node.agreements.receive(envelope, at=at, actor=ORDERED_BY)
        envelope = node.agreements.sign(document.id, node.signer, at=at, actor=ORDERED_BY).envelope.encode()
    for node in opened:
        node.agreements.receive(envelope, at=at, actor=ORDERED_BY)
        node.exchange.stand(document.id, "defence", at=at, actor=ORDERED_BY)


def _equip(node: Node, demo: DemoNode, at: datetime) -> None:
    """Give a node a source of telemetry, a token for its sensors and analysts, and a link for a browser."""
    from mithaq.nations.people.model import Role
    from mithaq.telemetry.model import Format

    node.telemetry.add_source(SENSOR, path="", line_format=Format.AUTO, by=ORDERED_BY, at=at)
    _, demo.token = node.people.add_token("demonstration", _PROGRAM_VERBS, timedelta(days=2), at)
    _, secret = node.people.link("Duty officer", frozenset(Role), at)
    demo.link = f"http://localhost:{demo.port}/link?t={secret}"


def start(nodes: Sequence[DemoNode]) -> None:
    """Run the nodes in forked, supervised processes that share the program's memory."""
    preload()
    for node in nodes:
        node.pid = fork_role(node.nation.code, partial(_supervise, node), node.root / "logs" / "node.log")


def _supervise(node: DemoNode) -> None:
    os.setpgid(0, 0)
    Supervisor(roles(node.root, lambda: node.passphrase_file.read_bytes().strip()), node.root / "logs").run()


def wait_until_serving(nodes: Sequence[DemoNode]) -> None:
    """Return when every node serves its first page.

    Raises:
        DemoFailed: a node does not answer in time.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    for node in nodes:
        while not _answers(node):
            if time.monotonic() > deadline:
                raise DemoFailed(
                    "the node of %(nation)s does not answer; see its logs",
                    nation=node.nation.code,
                    private=str(node.root),
                )
            time.sleep(0.05)


def share_warning_lists(nodes: Sequence[DemoNode]) -> None:
    """Compile the published warning lists once, while the nodes already serve, and give every node the result."""
    first, *others = [DataFolder(node.root).cache for node in nodes]
    WarningLists(first).names()
    for compiled in first.glob("*.bin"):
        for cache in others:
            if not (cache / compiled.name).exists():
                os.link(compiled, cache / compiled.name)


def _answers(node: DemoNode) -> bool:
    try:
        return httpx.get(f"{node.url}/readyz", trust_env=False, timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def stop(nodes: Sequence[DemoNode]) -> None:
    """End every process of every node; nothing is left behind."""
    for node in nodes:
        if node.pid:
            _signal(node.pid, signal.SIGTERM)
    deadline = time.monotonic() + 12
    for node in nodes:
        while node.pid and time.monotonic() < deadline:
            if os.waitpid(node.pid, os.WNOHANG)[0]:
                node.pid = 0
            else:
                time.sleep(0.02)
        if node.pid:
            os.killpg(node.pid, signal.SIGKILL)
            os.waitpid(node.pid, 0)
            node.pid = 0


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def clear(root: Path) -> None:
    """Remove an earlier demonstration, and only that.

    Raises:
        DemoFailed: the folder holds something else.
    """
    if not root.exists():
        return
    strangers = {path.name for path in root.iterdir()} - {
        name for nation in COALITION for name in (nation.code, f"{nation.code}.passphrase")
    }
    if strangers:
        raise DemoFailed(
            "the folder holds other things than a demonstration: %(names)s",
            subject=str(root),
            names=", ".join(sorted(strangers)[:5]),
        )
    shutil.rmtree(root)


def demand_empty(root: Path) -> None:
    """Refuse to play over an earlier demonstration that was kept.

    Raises:
        DemoFailed: the folder holds something.
    """
    if root.exists() and any(root.iterdir()):
        raise DemoFailed("an earlier demonstration was kept here; --reset removes it", subject=str(root))


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
