"""Look for traces of what was withheld in everything its partners have: plaintexts, databases, logs, lake, pages."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from mithaq.cli.demo.nodes import DemoFailed
from mithaq.cli.demo.story import Stage
from mithaq.exchange import ledger
from mithaq.kernel.signing import read_envelope
from mithaq.web.session import cookie_name

PAGES = ("/", "/intelligence", "/detection", "/exchange", "/agreements", "/audit", "/people")


def count_leaks(partners: Sequence[Stage], tokens: Sequence[str]) -> list[str]:
    """Return where a token of a withheld object stands at a partner, one text a place.

    Raises:
        DemoFailed: a planted leak was not seen, so the search would see none.
    """
    found = [place for partner in partners for place in _search(partner, tokens)]
    for partner in partners:
        _control(partner, tokens[0])
    return found


def _control(partner: Stage, token: str) -> None:
    """Plant a leak where a careless program would leave one, and demand that the search sees it."""
    planted = partner.demo.root / "logs" / "planted.log"
    planted.write_text(f"debug: {token}\n", encoding="utf-8")
    try:
        if not any(place.endswith("planted.log") for place in _search(partner, [token])):
            raise DemoFailed("the search for leaks does not see a planted one")
    finally:
        planted.unlink()


def _search(partner: Stage, tokens: Sequence[str]) -> list[str]:
    needles = [token.lower().encode() for token in tokens]
    places = (*_plaintexts(partner), *_files(partner), *_pages(partner))
    return [name for name, content in places if any(needle in content.lower() for needle in needles)]


def _plaintexts(partner: Stage) -> Iterator[tuple[str, bytes]]:
    with partner.node.db.read() as connection:
        envelopes = ledger.received_envelopes(connection)
    for number, envelope in enumerate(envelopes, 1):
        yield f"{partner.code}: plaintext {number}", read_envelope(envelope).payload


def _files(partner: Stage) -> Iterator[tuple[str, bytes]]:
    for path in sorted(partner.demo.root.rglob("*")):
        content = _content(path)
        if content:
            yield f"{partner.code}: {path.relative_to(partner.demo.root)}", content


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:  # a running node may remove a file meanwhile
        return b""


def _pages(partner: Stage) -> Iterator[tuple[str, bytes]]:
    """Fetch every page as somebody with every role sees it."""
    from mithaq.nations.people.model import Role

    at = partner.node.clock.now()
    _, link = partner.node.people.link("Auditor of the demonstration", frozenset(Role), at)
    _, session = partner.node.people.redeem(link, at)
    cookies = {cookie_name(partner.code, "session", secure=False): session}
    with httpx.Client(base_url=partner.demo.url, cookies=cookies, trust_env=False, timeout=20) as http:
        for path in PAGES:
            answer = http.get(path)
            if answer.status_code != httpx.codes.OK:
                raise DemoFailed("the page %(path)s answered %(status)s", path=path, status=answer.status_code)
            yield f"{partner.code}: page {path}", answer.content
