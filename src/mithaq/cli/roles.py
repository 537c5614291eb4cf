"""What each process of a node runs; mounts all faces."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.wake import Waker
from mithaq.node.composition import Node, compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.settings import read_settings
from mithaq.node.supervisor import Role

_log = logging.getLogger(__name__)


def roles(root: Path, passphrase: Callable[[], bytes]) -> Mapping[str, Role]:
    """Return the processes of one node; only the signer's asks for the passphrase."""
    return {
        "signer": lambda: _signer(root, passphrase),
        "web": lambda: _web(root),
        "worker": lambda: _worker(root),
        "detector": lambda: _detector(root),
        "receiver": lambda: _receiver(root),
    }


def preload() -> None:
    """Import what the roles need before they are forked, so that they share it in memory."""
    import httptools
    import uvloop

    import mithaq.api.app
    import mithaq.detection.worker
    import mithaq.exchange.channel.server
    import mithaq.node.serving
    import mithaq.node.worker
    import mithaq.telemetry.receiving.process
    import mithaq.web.app

    for module in (httptools, uvloop, mithaq):
        _log.debug("preloaded %s", module.__name__)


def _signer(root: Path, passphrase: Callable[[], bytes]) -> None:
    from mithaq.nations.keys.keyring import FileKeyring
    from mithaq.nations.signer import SignerServer

    folder = DataFolder(root)
    os.umask(0o077)
    nation = NationId(read_settings(folder.settings).nation)
    keyring = FileKeyring.open(folder.keys, nation, passphrase())
    with SignerServer(folder.run, keyring.keys, nation, keyring) as server:
        server.serve_forever(poll_interval=0.5)


def _web(root: Path) -> None:
    from mithaq.api.app import machine_doors
    from mithaq.exchange.channel.server import PartnerDoors
    from mithaq.node.serving import serve
    from mithaq.web.app import create_app

    node = compose(root)
    doors = PartnerDoors(node.channel, node.card_bytes, node.clock, node.run_dir)
    serve(
        create_app(node, [*doors.routes(), *machine_doors(node)]), node.settings.listen_host, node.settings.listen_port
    )


def _worker(root: Path) -> None:
    from mithaq.node import worker

    node = compose(root)
    worker.run(node, stop_on_term(node.run_dir))


def _detector(root: Path) -> None:
    from mithaq.detection import worker
    from mithaq.detection.hunts.launch import HunterOrder, hunter_launcher
    from mithaq.node.founding import database_url

    node: Node = compose(root)
    address = database_url(node.folder, node.settings)
    order = HunterOrder(address, str(node.data), str(node.run_dir), str(node.folder.cache))
    try:
        worker.run(
            node.db,
            node.holdings,
            node.data,
            node.run_dir,
            launch_hunter=hunter_launcher(order),
            warning_lists=node.warning_lists,
            clock=node.clock,
            stop=stop_on_term(node.run_dir),
        )
    except Error as error:
        _log.error("%s (%s)", error, error.private)
        raise SystemExit(1) from error


def _receiver(root: Path) -> None:
    from mithaq.telemetry.receiving import process

    node = compose(root)
    process.run(node.db, node.data, node.run_dir, clock=node.clock, stop=stop_on_term(node.run_dir))


def stop_on_term(run_dir: Path) -> threading.Event:
    """Return an event that SIGTERM sets; who waits for news is woken, and after a moment the process ends anyway."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        Waker(run_dir).wake_own()
        threading.Timer(3.0, os._exit, (0,)).start()

    signal.signal(signal.SIGTERM, end)
    return stop
