"""Whether what a partner's node signs now may be believed."""

from datetime import datetime

from mithaq.nations.keys.errors import KeysExpired
from mithaq.nations.model import Partner


def demand_authorised(partner: Partner, at: datetime) -> None:
    """Refuse a partner whose card's key is not the one its root officials authorise now.

    Raises:
        KeysExpired: the newest statement names another key, or has expired.
    """
    if not partner.may_sign(at):
        raise KeysExpired(
            "the root officials of %(nation)s do not authorise the key on its card, or no longer: "
            "its newest statement and card are needed",
            nation=partner.nation,
        )
