"""What all pages share: the node, the live feed, the templates, and this node's name to a browser."""

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import Request

from mithaq.kernel.clock import Clock
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.nations.people.model import RelyingParty
from mithaq.nations.people.service import People
from mithaq.nations.service import Partners
from mithaq.node.feed import Feed


class Settings(Protocol):
    """What the pages read of a node's settings."""

    @property
    def public_url(self) -> str:
        """Return the address people type, or an empty text on loopback."""
        ...

    @property
    def language(self) -> str:
        """Return the language of a visitor who chose none, or an empty text to ask the browser."""
        ...


class Node(Protocol):
    """What the pages need of a composed node."""

    db: Database
    nation: NationId
    names: dict[str, str]
    people: People
    partners: Partners
    clock: Clock
    settings: Settings
    run_dir: Path


@dataclass(frozen=True, slots=True)
class Site:
    """One node's pages."""

    node: Node
    feed: Feed = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "feed", Feed(self.node.db, self.node.run_dir, "web"))

    def now(self) -> datetime:
        """Return the instant at which a request is judged."""
        return self.node.clock.now()

    def name(self, language: str) -> str:
        """Return the nation's name in a language, or its code."""
        names = self.node.names
        return names.get(language) or names.get("en") or self.node.nation

    def origin(self, request: Request) -> str:
        """Return the origin that a browser sees."""
        public = urlsplit(self.node.settings.public_url)
        url = request.url
        if public.netloc == url.netloc:
            return f"{public.scheme}://{public.netloc}"
        return f"{url.scheme}://{url.netloc}"

    def party(self, request: Request) -> RelyingParty | None:
        """Return this node as authenticators see it; None on a bare address, which they do not accept."""
        origin = self.origin(request)
        host = urlsplit(origin).hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return RelyingParty(host, f"Mithaq {self.node.nation}", origin)
        return None
