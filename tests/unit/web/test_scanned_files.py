"""Files on pages: an analyst has one scanned, and reads what became of it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from httpx import Response
from starlette.testclient import TestClient

from mithaq.intelligence.imports.yara import import_yara, indicator_id
from mithaq.intelligence.model import ImportTerms
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.standards.tlp import Tlp
from tests.scanned import scan_all

SignIn = Callable[..., TestClient]
Post = Callable[..., Response]
RULE = b'rule Crane { strings: $a = "quiet crane" condition: $a }'


def test_a_file_that_a_person_brings_is_scanned_and_leads_to_the_rule(
    signed_in: SignIn, node: Node, post: Post
) -> None:
    at = node.clock.now()
    terms = ImportTerms(node.nation, ACTUAL, tlp=Tlp.GREEN)
    import_yara(node.holdings, [("crane.yar", RULE)], terms=terms, at=at, check=lambda _: None)
    client = signed_in(Role.ANALYST)
    reply = post(client, "/files", files={"file": ("<b>.exe", b"the quiet crane")})
    assert reply.headers["location"] == "/files"
    scan_all(node, at + timedelta(days=9))
    page = client.get("/files").text
    assert f'href="/intelligence/{indicator_id(NationId("XA"), "Crane")}"' in page
    assert 'href="/files?source=uploads"' in page
    assert "detection.file" in signed_in(Role.AUDITOR).get("/audit").text


@pytest.mark.parametrize("files", [{"file": ("a", b"")}, {}])
def test_a_file_that_is_empty_or_missing_is_asked_for(
    signed_in: SignIn, post: Post, files: dict[str, tuple[str, bytes]]
) -> None:
    assert "choose a file that is not empty" in post(signed_in(Role.ANALYST), "/files", files=files).text


def test_only_who_decides_about_hits_may_bring_one(signed_in: SignIn, post: Post) -> None:
    client = signed_in(Role.AUDITOR)
    assert post(client, "/files", files={"file": ("a", b"x")}).status_code == 403
