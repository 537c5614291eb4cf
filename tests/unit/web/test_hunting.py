"""Questions to the lake on pages: what a person builds is asked as it is, and what comes back is text."""

from collections.abc import Callable

from httpx import Response
from starlette.testclient import TestClient

from mithaq.detection.questions import store
from mithaq.detection.questions.model import Row, State
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.telemetry.lake.question import Condition, Operator, Question

SignIn = Callable[..., TestClient]
Post = Callable[..., Response]


def answered(node: Node, rows: int, **changed: object) -> str:
    """Keep an answer as the hunter would."""
    at = node.clock.now()
    answer_id = node.questions.ask(Question(values=("evil.example",)), by="p", at=at)
    made = [
        Row(n, f"e{n}", "2026-11-20T12:00:00.000Z", "zeek", "zeek.dns", b"=<script>%d\xff" % n)
        for n in range(1, rows + 1)
    ]
    with node.db.write(at) as tx:
        store.add_rows(tx, answer_id, made)
        state = {"state": State.DONE.value, "rows": rows, "finished_at": at, **changed}
        assert store.change_answer(tx, answer_id, State.WAITING, **state)
    return answer_id


def test_a_question_is_asked_as_it_was_built(signed_in: SignIn, node: Node, post: Post) -> None:
    client = signed_in(Role.ANALYST)
    fields = {
        "values": "evil[.]example\n192.0.2.0/24",
        "field": ["user.name", "", "source.port"],
        "operator": ["contains", "is", "at-most"],
        "value": ["' OR 1=1 --", "", "1024"],
        "since": "2026-11-20T12:00",
        "do": "ask",
    }
    reply = post(client, "/hunts", **fields)
    (answer,) = node.questions.answers()
    assert reply.headers["location"] == f"/hunts/answers/{answer.answer_id}"
    assert answer.question.values == ("evil.example", "192.0.2.0/24")
    assert answer.question.conditions == (
        Condition("user.name", Operator.CONTAINS, "' OR 1=1 --"),
        Condition("source.port", Operator.AT_MOST, "1024"),
    )
    page = client.get(reply.headers["location"]).text
    assert 'http-equiv="refresh"' in page
    assert "&#39; OR 1=1 --" in page
    again = client.get(f"/hunts?from={answer.answer_id}").text
    assert 'value="&#39; OR 1=1 --"' in again


def test_a_question_that_cannot_be_answered_says_why(signed_in: SignIn, post: Post) -> None:
    client = signed_in(Role.ANALYST)
    assert "needs a value" in post(client, "/hunts", do="ask").text
    assert "not a time" in post(client, "/hunts", do="ask", values="a.example", since="x").text
    assert "cannot be asked" in post(client, "/hunts", field="user.name", operator="x", value="1").text


def test_a_saved_hunt_is_listed_run_and_removed(signed_in: SignIn, node: Node, post: Post) -> None:
    client = signed_in(Role.DUTY_OFFICER)
    post(client, "/hunts", values="evil.example", do="save", name="<b>night", every="24")
    assert "&lt;b&gt;night" in client.get("/hunts").text
    assert post(client, "/hunts/run", name="<b>night").status_code == 303
    assert [each.saved_hunt for each in node.questions.answers()] == ["<b>night"]
    post(client, "/hunts/forget", name="<b>night")
    assert node.questions.saved() == []


def test_an_answer_is_shown_page_by_page_as_text(signed_in: SignIn, node: Node) -> None:
    client = signed_in(Role.AUDITOR)
    answer_id = answered(node, 51, stopped="rows", unread=2, older=7)
    page = client.get(f"/hunts/answers/{answer_id}").text
    assert "&lt;script&gt;50" in page
    assert "<script>50" not in page
    assert "There are more events" in page
    assert "left out: 2." in page
    assert "left out: 7." in page
    assert "&lt;script&gt;51" in client.get(f"/hunts/answers/{answer_id}?after=50").text


def test_an_answer_is_a_file_without_formulas(signed_in: SignIn, node: Node) -> None:
    client = signed_in(Role.ANALYST)
    answer_id = answered(node, 2)
    table = client.get(f"/hunts/answers/{answer_id}/export?as=csv")
    assert table.text.splitlines()[1] == "2026-11-20T12:00:00.000Z,zeek,zeek.dns,e1,'=<script>1\ufffd"
    assert len(client.get(f"/hunts/answers/{answer_id}/export?as=ndjson").text.splitlines()) == 2
    assert client.get("/hunts/answers/answer--no").status_code == 404
