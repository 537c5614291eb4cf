"""The folders whose files are scanned: whether they can be read, what waits, what was not scanned."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mithaq.detection.yara.service import FileCounts
from mithaq.kernel.reason import Reason
from mithaq.node.composition import Node
from mithaq.node.health.model import Finding, Level
from mithaq.node.language import msgid

MANY_WAITING: Final = 1_000


def files(node: Node) -> Iterator[Finding]:
    """Every file that was found is scanned, and soon."""
    counted = node.files.counts()
    found = [finding for each in counted for finding in _of_folder(each)]
    yield from found
    if counted and not found:
        params: dict[str, str | int] = {"count": sum(each.scanned for each in counted)}
        yield Finding(Level.FINE, Reason("files", "files that were scanned: %(count)s", params))


def _of_folder(each: FileCounts) -> Iterator[Finding]:
    params: dict[str, str | int] = {"source": each.source, "folder": each.folder}
    if not Path(each.folder).is_dir():
        sentence = msgid("the folder %(folder)s of the source %(source)s is not there")
        remedy = msgid("see whether its sensor writes there: mithaq telemetry status")
        yield Finding(Level.WARNING, Reason("files-folder", sentence, params, remedy))
    if each.waiting >= MANY_WAITING:
        sentence = msgid("files of %(source)s that wait to be scanned: %(count)s")
        remedy = msgid("run: mithaq serve; see the worker’s log")
        yield Finding(Level.WARNING, Reason("files-waiting", sentence, params | {"count": each.waiting}, remedy))
    for count, sentence in (
        (each.refused, msgid("files of %(source)s that were not scanned: %(count)s")),
        (each.unfinished, msgid("files of %(source)s of which not every rule could be asked: %(count)s")),
    ):
        if count:
            remedy = msgid("see why: mithaq yara files --source %(source)s")
            yield Finding(Level.WARNING, Reason("files-refused", sentence, params | {"count": count}, remedy))
