"""A partner's membership log, read through its doors."""

from mithaq.exchange.channel.client import PartnerClient
from mithaq.exchange.context import Context
from mithaq.exchange.errors import PartnerUnreachable
from mithaq.kernel.clock import Clock
from mithaq.kernel.tlog.tiles import Tile
from mithaq.nations.model import Partner


class ChannelSource:
    """Read one partner's log of an agreement; nothing it gives is verified here."""

    def __init__(self, context: Context, clock: Clock, partner: Partner, agreement_id: str) -> None:
        self._partner = partner
        self._agreement_id = agreement_id
        address = partner.card.addresses[0] if partner.card.addresses else ""
        self._has_address = bool(address)
        self._client = PartnerClient(context.own, partner.nation, address, context.signer, clock)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def checkpoint(self) -> bytes:
        """Return the checkpoint of the partner's newest log of the agreement.

        Raises:
            PartnerUnreachable, PartnerRefused, BadFrame: there is none to be had.
        """
        if not self._has_address:
            raise PartnerUnreachable("the node of %(nation)s does not answer", nation=self._partner.nation)
        return self._client.fetch_membership_checkpoint(self._agreement_id)

    def bundle(self, origin: str, bundle: Tile) -> bytes:
        """Return a bundle of entries.

        Raises:
            PartnerUnreachable, PartnerRefused, BadFrame: there is none to be had.
        """
        return self._client.fetch_tile(origin, bundle)
