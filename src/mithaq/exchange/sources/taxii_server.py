"""Find a TAXII 2.1 collection from whatever address was given, and ask its server as leniently as it needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from mithaq.exchange.sources import settings
from mithaq.exchange.sources.envelope import each_of, read_resource
from mithaq.exchange.sources.errors import SourceFailed, SourceRefused, SourceUnreadable
from mithaq.exchange.sources.model import Source
from mithaq.exchange.sources.rules import retry_after_s, shown, within
from mithaq.exchange.sources.web import Answer, Asking

ACCEPTED: Final = (
    "application/taxii+json;version=2.1",
    "application/taxii+json; version=2.1",
    "application/taxii+json",
    "application/json",
    "*/*",
)
"""What is asked for, in turn, of servers that compare media types as texts."""

_TAXII_20: Final = ("version=2.0", "vnd.oasis.taxii+json", "vnd.oasis.stix+json")
_NOT_FOUND: Final = 404
_NOT_ACCEPTABLE: Final = 406


class Server:
    """One server; it remembers which media type it takes and whether its paths end with a slash."""

    def __init__(self, web: Asking, at: datetime) -> None:
        self._web = web
        self._at = at
        self._accept = 0
        self._has_slash = True

    def find(self, source: Source) -> str:
        """Return where a source's objects are: by discovery, by an API root, or by the collection's own address.

        Raises:
            SourceRefused: there is no such collection, or it may not be read, or only another host has it.
        """
        address, _, query = source.address.partition("?")
        if query:
            raise SourceRefused("the address of a TAXII server has no query")
        before, mark, after = address.partition("/collections/")
        if mark and after.strip("/"):
            return f"{before}/collections/{after.strip('/').removesuffix('/objects')}/objects/"
        if mark:
            return self._collection(f"{before}/", source)
        resource = self._resource(address)
        if "api_roots" not in resource and "default" not in resource:
            return self._collection(address, source)
        listed = resource.get("api_roots")
        roots = [resource.get("default"), *(listed if isinstance(listed, list) else ())]
        named = [each for each in roots if isinstance(each, str) and each]
        here = list(dict.fromkeys(found for each in named if (found := within(address, each)) is not None))
        if not here:
            raise SourceRefused("its discovery names no API root at its own host")
        refused: SourceRefused | None = None
        for root in here:
            try:
                return self._collection(root, source)
            except SourceRefused as error:
                refused = error
            except SourceFailed as error:
                if error.status != _NOT_FOUND:
                    raise
                refused = SourceRefused("it has no collection %(name)s", name=source.collection[:200])
        raise refused or SourceRefused("it has no collection %(name)s", name=source.collection[:200])

    def page(self, address: str, asked: Sequence[tuple[str, str]]) -> Answer:
        """Return a page of objects or of the manifest.

        Raises:
            SourceRefused: this node is let in no more.
            SourceFailed: the server answers with an error.
        """
        answer = self._get(address, asked)
        kind = answer.headers.get("content-type", "").lower().replace(" ", "")
        if any(mark in kind for mark in _TAXII_20) and "version=2.1" not in kind:
            raise SourceRefused("it speaks TAXII 2.0 alone")
        return answer

    def _collection(self, root: str, source: Source) -> str:
        root = root.rstrip("/") + "/"
        found = list(each_of(self._resource(f"{root}collections/"), "collections"))
        wanted = source.collection
        chosen = [each for key in ("id", "alias", "title") for each in found if each.get(key) == wanted]
        if not chosen or (chosen[0].get("title") == wanted != chosen[0].get("id") and _is_twice(found, wanted)):
            raise SourceRefused("it has no collection %(name)s", name=wanted[:200])
        if chosen[0].get("can_read") in (False, "false"):
            raise SourceRefused("the collection %(name)s may not be read with this account", name=wanted[:200])
        return self._objects(root, chosen[0])

    def _objects(self, root: str, collection: dict[str, Any]) -> str:
        address = within(root, f"{root}collections/{collection.get('id', '')}/objects/")
        if address is None or not collection.get("id"):
            raise SourceUnreadable("the answer is no JSON object")
        return address

    def _resource(self, address: str) -> dict[str, Any]:
        return read_resource(self.page(address.rstrip("/") + "/", ()).body)

    def _get(self, address: str, asked: Sequence[tuple[str, str]]) -> Answer:
        """Ask with another media type where one is not taken, and without the last slash where there is nothing."""
        answer = self._ask(address, asked)
        while answer.status == _NOT_ACCEPTABLE and self._accept + 1 < len(ACCEPTED):
            self._accept += 1
            answer = self._ask(address, asked)
        if answer.status == _NOT_FOUND and self._has_slash:
            self._has_slash = False
            again = self._ask(address, asked)
            self._has_slash = again.status == _NOT_FOUND
            answer = answer if self._has_slash else again
        return demand_ok(answer, self._at)

    def _ask(self, address: str, asked: Sequence[tuple[str, str]]) -> Answer:
        place = address if self._has_slash else address.rstrip("/")
        accept = {"Accept": ACCEPTED[self._accept]}
        return self._web.get(place, max_bytes=settings.PAGE_BYTES, headers=accept, params=asked)


def demand_ok(answer: Answer, at: datetime) -> Answer:
    """Return an answer that is one.

    Raises:
        SourceRefused: this node is let in no more.
        SourceFailed: the server answers with an error.
    """
    if answer.status in {200, 206}:
        return answer
    if answer.status in {401, 403}:
        raise SourceRefused("it lets this node in no more: status %(status)s", status=answer.status)
    raise SourceFailed(
        "%(detail)s answers with the status %(status)s",
        status=answer.status,
        retry_after_s=retry_after_s(answer.headers, at),
        detail=shown(answer.address),
    )


def _is_twice(found: Sequence[dict[str, Any]], title: str) -> bool:
    return len([each for each in found if each.get("title") == title]) > 1
