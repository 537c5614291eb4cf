"""What a story has in hand: the played nations, their stations, the agreement, and the way to the node."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from conformance.nation import Nation, Words, indicator
from conformance.station import Station
from mithaq.agreements.model import Agreement
from mithaq.exchange.receipt import Receipt
from mithaq.nations.model import Card

PATIENCE_S = 45.0
"""How long a node may take for one step: it waits longer after each failure, half a minute at most."""


@dataclass
class Bench:
    """One run against one node; `first` is the nation that speaks in most stories, `second` the other one."""

    node: Card
    agreement: Agreement
    stations: Sequence[Station]
    http: httpx.Client

    @property
    def first(self) -> Station:
        """Return the station of the first nation."""
        return self.stations[0]

    @property
    def second(self) -> Station:
        """Return the station of the second nation."""
        return self.stations[1]

    def words(self, station: Station) -> Words:
        """Return what a nation can say."""
        return Words(station.nation, self.node, self.agreement)

    def ask(self, nation: Nation, method: str, target: str, body: bytes = b"", **changes: object) -> httpx.Response:
        """Send the node one request that a nation signs."""
        headers = nation.request(self.node.nation, method, target, body, **changes)
        return self.http.request(method, target, content=body, headers=headers)

    def give(self, station: Station, body: bytes, **answer: str) -> None:
        """Lay an answer out and wait until the node has taken it and asks again.

        Raises:
            TimeoutError: the node does not ask again.
        """
        asked = len(station.cursors)
        station.lay_out(body, **answer)
        taken = station.wait(lambda: station.next_answer is None, PATIENCE_S)
        taken_at = max(asked, len(station.cursors))
        if not taken or not station.wait(lambda: len(station.cursors) > taken_at, PATIENCE_S):
            raise TimeoutError(f"the node does not ask {station.nation.code} for more")

    def receipt(self, station: Station, sequence: int) -> Receipt | None:
        """Return the node's receipt for a number, once it has come."""
        station.wait(lambda: any(each.sequence == sequence for each in station.receipts), PATIENCE_S)
        return next((each for each in station.receipts if each.sequence == sequence), None)

    def still_takes_what_is_true(self, station: Station) -> bool:
        """Tell whether a true release is admitted under the number that is due."""
        sequence = station.cursor + 1
        self.give(station, self.words(station).frame(sequence, indicator()))
        receipt = self.receipt(station, sequence)
        return receipt is not None and receipt.outcome == "admitted" and station.cursor == sequence
