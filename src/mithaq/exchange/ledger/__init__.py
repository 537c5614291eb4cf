"""What people may see of the exchange: channels, releases with receipts, refusals, quarantine."""

from mithaq.exchange.ledger.channels import BEHIND_AFTER, Channel, ChannelState, channels, counts
from mithaq.exchange.ledger.refusals import Refusal, quarantined, vetoes, withheld
from mithaq.exchange.ledger.releases import (
    Holder,
    Received,
    Sent,
    holders,
    receipts,
    received_envelopes,
    received_from,
    sent_to,
)

__all__ = [
    "BEHIND_AFTER",
    "Channel",
    "ChannelState",
    "Holder",
    "Received",
    "Refusal",
    "Sent",
    "channels",
    "counts",
    "holders",
    "quarantined",
    "receipts",
    "received_envelopes",
    "received_from",
    "sent_to",
    "vetoes",
    "withheld",
]
