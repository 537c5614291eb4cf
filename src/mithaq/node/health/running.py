"""The processes of a node: does each answer?"""

import os

from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason
from mithaq.nations.model import Card
from mithaq.nations.signer import RemoteSigner
from mithaq.node.data_folder import DataFolder
from mithaq.node.health.model import Finding, Level
from mithaq.node.language import msgid
from mithaq.node.settings import Settings

_REMEDY = msgid("run: mithaq serve; if it runs already, see the logs in %(path)s")
Params = dict[str, str | int]
_LISTENERS = {"worker": "channels", "detector": "detector", "receiver": "receiver"}
"""What each process without a door listens for in the run folder."""


def processes(folder: DataFolder, settings: Settings, card: Card) -> list[Finding]:
    """Ask the signer and the web process, and look whether worker, detector and receiver live."""
    where: Params = {"path": str(folder.logs)}
    found = [_signer(folder, card, where), _web(folder, settings, where)]
    for role, listener in _LISTENERS.items():
        if _listens(folder, listener):
            found.append(Finding(Level.FINE, Reason(role, "the %(role)s runs", {"role": role})))
        else:
            lost: Params = {"role": role, **where}
            found.append(Finding(Level.WRONG, Reason(role, "the %(role)s does not run", lost, _REMEDY)))
    return found


def stands_still() -> Finding:
    """Return the one finding that stands for all where nothing of the node runs."""
    return Finding(Level.WRONG, Reason("node", "the node does not run", {}, "run: mithaq serve"))


def _signer(folder: DataFolder, card: Card, where: Params) -> Finding:
    signer = RemoteSigner(folder.run)
    try:
        fits = signer.verify_key == card.verify_key
    except Error as error:
        return Finding(Level.WRONG, Reason("signer", error.message, {**error.params, **where}, _REMEDY))
    finally:
        signer.close()
    if fits:
        return Finding(Level.FINE, Reason("signer", "the signer answers with the key of the card"))
    remedy = msgid("restart the node: its signer still holds other keys")
    return Finding(Level.WRONG, Reason("signer", "the signer has another key than the card", {}, remedy))


def _web(folder: DataFolder, settings: Settings, where: Params) -> Finding:
    from mithaq.exchange.channel.client import fetch_card

    address = own_address(settings)
    params: Params = {"address": address}
    try:
        served = fetch_card(address)
    except Error as error:
        return Finding(Level.WRONG, Reason("web", error.message, {**error.params, **where}, _REMEDY))
    if served == folder.card.read_bytes():
        return Finding(Level.FINE, Reason("web", "%(address)s answers and serves this nation's card", params))
    remedy = msgid("another program answers there: change listen_port in mithaq.toml, or end that program")
    return Finding(Level.WRONG, Reason("web", "%(address)s serves another card", params, remedy))


def own_address(settings: Settings) -> str:
    """Return where this machine reaches its own node."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.listen_host, settings.listen_host)  # noqa: S104
    return f"http://[{host}]:{settings.listen_port}" if ":" in host else f"http://{host}:{settings.listen_port}"


def _listens(folder: DataFolder, name: str) -> bool:
    """Tell whether a living process has a socket of this name in the run folder."""
    pids = (path.name.removeprefix(f"{name}-").partition("-")[0] for path in folder.run.glob(f"{name}-*.wake"))
    return any(_lives(int(pid)) for pid in pids if pid.isdecimal())


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
