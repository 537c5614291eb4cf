"""One request at the doors of MISP: who asks, where, and what for."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mithaq.exchange.misp.errors import BadMisp
from mithaq.exchange.misp.model import Reader
from mithaq.nations.constituents.model import Account, Constituent
from mithaq.standards.misp.labels import Way
from mithaq.standards.misp.named import Place

_SYNC_ONLY: Final = frozenset({"excludeGalaxy", "includeEventCorrelations", "includeFeedCorrelations"})
"""Named parameters that only another MISP sends, which lowers the distribution of what it gets."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of one account: who asks, where, with what; `agent` is what its program calls itself."""

    constituent: Constituent
    account: Account
    method: str
    place: Place
    body: bytes = b""
    agent: str = ""

    @property
    def reader(self) -> Reader:
        """Return who is served."""
        return Reader.of(self.account)

    @property
    def way(self) -> Way:
        """Return whether what is asked for goes to another MISP that will lower it."""
        is_misp = self.agent.startswith("MISP ") or not _SYNC_ONLY.isdisjoint(self.place.named)
        return "sync" if is_misp else "feed"

    def asked(self) -> dict[str, Any]:
        """Return what is asked for in the path and in the body together.

        Raises:
            BadMisp: the body is no JSON object.
        """
        named: dict[str, Any] = {
            name: list(values) if len(values) > 1 else values[0] for name, values in self.place.named.items()
        }
        value = self.json() if self.body else {}
        if isinstance(value, dict) and isinstance(value.get("request"), dict):
            value = value["request"]
        if not isinstance(value, dict):
            raise BadMisp("this is no JSON object")
        url = value.pop("url_params", None)
        if url:
            raise BadMisp("this filter is not known here: %(name)s", name="url_params")
        return named | value

    def json(self) -> Any:
        """Return the body.

        Raises:
            BadMisp: it is no JSON.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadMisp("this is no JSON") from error
