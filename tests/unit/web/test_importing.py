"""A file is imported from a page by a process of its own, which keeps MISP's events as every other way in does."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.testclient import TestClient

from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from tests.misp import ATTRIBUTE, event, file_of


def test_a_newer_version_of_an_event_takes_back_what_it_gives_no_more(
    signed_in: Callable[..., TestClient], post: Callable[..., Any], node: Node, at: datetime
) -> None:
    node.clock.at = datetime.now(tz=at.tzinfo)  # type: ignore[attr-defined]  # the import's process has the real clock
    client = signed_in(Role.ANALYST)

    def take(file: bytes) -> str:
        rest = {"form": "misp", "tlp": "TLP:GREEN", "lane": "actual"}
        answer = post(client, "/intelligence/import", **rest, files={"file": ("e.json", file)})
        assert answer.status_code == 200
        return str(answer.text)

    assert "taken back" not in take(file_of())
    assert "5 objects were taken back" in take(file_of(timestamp="1600000500", Attribute=event()["Attribute"][:1]))
    with node.db.read() as connection:
        first, second = (node.holdings.get(connection, f"indicator--{ATTRIBUTE}{each}", ACTUAL) for each in (1, 2))
    assert ([each.stands for each in first], [each.stands for each in second]) == ([True], [False])
