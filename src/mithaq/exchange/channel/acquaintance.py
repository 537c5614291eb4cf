"""Keep two nations' cards fresh while one fetches from the other: each names its newest, the other asks for it."""

import logging
from collections.abc import Callable, Sequence

from mithaq.exchange.channel.client import PartnerClient
from mithaq.exchange.context import Context
from mithaq.exchange.errors import BadRequestSignature, CardWanted, PartnerRefused
from mithaq.exchange.frame import Unverified
from mithaq.kernel.clock import Clock
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.nations.keys.card_file import card_tag, is_newer, tag_of_file

_log = logging.getLogger(__name__)


class Acquaintance:
    """One partner, as the channel to it comes to know of new cards in both directions."""

    def __init__(self, context: Context, clock: Clock, partner: NationId, own_card: Callable[[], bytes] | None) -> None:
        self._context = context
        self._clock = clock
        self._partner = partner
        self._own_card = own_card
        self._given = ""
        self._tried = ""

    def fetch(self, client: PartnerClient, after_sequence: int, wait_s: int) -> Sequence[Unverified]:
        """Fetch releases; give the partner this nation's newer card where it wants it, take the partner's newer one.

        Raises:
            PartnerUnreachable, PartnerRefused, BadFrame, BadJson: as for the client.
        """
        own = self._own_card() if self._own_card else b""
        tag = tag_of_file(own) if own else ""
        try:
            frames = client.fetch(after_sequence, wait_s, tag)
        except PartnerRefused as error:
            if not own or not self._is_cured_by_a_card(str(error.params.get("refusal")), tag):
                raise
            client.send_card(own)
            self._given = tag
            frames = client.fetch(after_sequence, wait_s, tag)
        self._look_at(client, client.shown_card)
        return frames

    def _is_cured_by_a_card(self, refusal: str, tag: str) -> bool:
        """Tell whether giving the card may help; one that did not cure a signature once will not the next time."""
        return refusal == CardWanted.code or (refusal == BadRequestSignature.code and self._given != tag)

    def _look_at(self, client: PartnerClient, shown: str) -> None:
        """Take the partner's newer card; one that is refused is not asked for again, and the known one stays."""
        with self._context.db.read() as connection:
            known = self._context.partners.get(connection, self._partner)
        if shown == self._tried or not is_newer(shown, card_tag(known.card, known.statement_version)):
            return
        data = client.fetch_card(known.statement_version)
        self._tried = shown
        try:
            self._context.partners.add(data, at=self._clock.now(), actor=f"nation:{self._partner}")
        except Error as error:
            _log.warning("the newer card of %s: %s %s", self._partner, error, error.private)
