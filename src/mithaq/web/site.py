"""What all pages share: the node, the live feed, the templates, and this node's name to a browser."""

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from starlette.requests import Request

from mithaq.nations.people.model import RelyingParty
from mithaq.node.composition import Node
from mithaq.node.feed import Feed


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
