"""A partner's MISP is pulled from as another MISP would: the small index, then what is newer."""

import json

import pytest

from mithaq.exchange.sources.credentials import Credential
from mithaq.exchange.sources.model import CREDENTIAL_OVER_HTTP
from tests.scripted import Asked, Reply, Scripted, scripted
from tests.unit.exchange.sources.conftest import Fetching
from tests.unit.exchange.sources.test_misp_feed import FeedScript, event, named

KEY = Credential("header", "k" * 40, header="Authorization")


class ServerScript(FeedScript):
    """The same events behind MISP's two calls."""

    def _answer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != KEY.secret:
            return Reply(b"{}", 403)
        if asked.path == "/events/index":
            rows = [
                {"id": "1", "uuid": uuid, "timestamp": str(each["timestamp"]), "published": True, "orgc_uuid": "x"}
                for uuid, each in self.manifest.items()
            ]
            return Reply(json.dumps(rows).encode(), headers={"etag": f'"{len(rows)}"'})
        uuid = asked.path.split("/")[3]
        return Reply(self.files[uuid]) if uuid in self.files else Reply(b"{}", 404)


def follow(fetching: Fetching, world: Scripted) -> None:
    fetching.follow(world.address + "/", kind="misp", credential=KEY, flags=[CREDENTIAL_OVER_HTTP])


def test_the_index_then_what_is_newer(fetching: Fetching) -> None:
    script = ServerScript(event(1), event(2))
    with scripted(script) as world:
        follow(fetching, world)
        outcome = fetching.run()
        assert (outcome.reason, outcome.requests) == (None, 3)
        assert [each for each in fetching.held() if each.startswith("indicator")] == [
            f"indicator--{named(10_001)}",
            f"indicator--{named(10_002)}",
        ]
        script.put(event(2, 1_700_000_500, value="203.0.113.9"))
        assert fetching.run().requests == 2
        assert b"203.0.113.9" in fetching.object(f"indicator--{named(10_002)}").body


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(b"", 500), "source-failed"),
        (Reply(b"<html>Login</html>"), "source-unreadable"),
        (Reply(b'[{"uuid":', cut=4), "source-broken-off"),
        (Reply(b'[{"uuid":'), "source-unreadable"),
        (Reply(b'{"message":"no"}'), "source-unreadable"),
        (Reply(b"", 403), "source-refused"),
    ],
)
def test_what_a_partners_server_answers_instead_ends_the_run(quick: Fetching, reply: Reply, code: str) -> None:
    with scripted(lambda asked: reply) as world:
        follow(quick, world)
        outcome = quick.run()
        assert outcome.reason is not None
        assert outcome.reason.code == code


def test_an_index_of_200000_events_of_which_none_is_new_costs_one_request(quick: Fetching) -> None:
    from mithaq.exchange.sources import store

    rows = [{"uuid": named(number), "timestamp": "5", "published": True} for number in range(200_000)]
    body = json.dumps(rows).encode()
    with scripted(lambda asked: Reply(body).packed()) as world:
        follow(quick, world)
        with quick.db.write(quick.clock.now()) as tx:
            known = {named(number): "5" for number in range(200_000)}
            store.note_versions(tx, quick.sources.get("feed").source.id, known)
        outcome = quick.run()
        assert (outcome.reason, outcome.requests, outcome.quarantined) == (None, 1, 0)
