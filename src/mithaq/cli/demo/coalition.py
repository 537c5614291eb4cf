"""The fictional coalition of the demonstration: names, places and the agreement between them.

Nations carry user-assigned ISO 3166 codes, hosts end in `.example` (RFC 2606) and addresses are documentation ranges
(RFC 5737, RFC 3849), so that nothing here can be mistaken for anybody.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mithaq.agreements.model import Document, Party
from mithaq.agreements.terms import Onward, Terms
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId, new_id
from mithaq.nations.model import Card


@dataclass(frozen=True, slots=True)
class DemoNation:
    """One nation of the coalition."""

    code: NationId
    names: dict[str, str]
    language: str
    domain: str
    network: str

    @property
    def contact(self) -> str:
        """Return the duty officer's address."""
        return f"duty@cert.{self.domain}"


RIMAL = DemoNation(NationId("XA"), {"ar": "رمال", "en": "Rimal", "fr": "Rimal"}, "ar", "rimal.example", "192.0.2")
VALDORE = DemoNation(
    NationId("XB"), {"ar": "فالدور", "en": "Valdore", "fr": "Valdore"}, "fr", "valdore.example", "198.51.100"
)
MERRIN = DemoNation(
    NationId("XC"), {"ar": "ميرين", "en": "Merrin", "fr": "Merrin"}, "en", "merrin.example", "203.0.113"
)
COALITION = (RIMAL, VALDORE, MERRIN)

TITLE = {
    "ar": "اتفاقية الدفاع السيبراني المشترك",
    "en": "Joint cyber defence agreement",
    "fr": "Accord de cyberdéfense commune",
}


def treaty(cards: list[Card], at: datetime, *, witnesses: int = 1) -> Document:
    """Return the agreement of the coalition: indicators and sightings up to TLP:AMBER, for defence and warning."""
    return Document(
        format_version=1,
        id=new_id("agreement"),
        version=1,
        previous_hash=None,
        title={"ar": TITLE["ar"], "en": TITLE["en"], "fr": TITLE["fr"]},
        parties=[
            Party(
                card.nation,
                card.verify_key.key_id,
                {"ar": card.names["ar"], "en": card.names["en"], "fr": card.names["fr"]},
            )
            for card in cards
        ],
        terms=Terms(
            kinds=["indicator", "sighting", "malware", "relationship", "attack-pattern", "identity"],
            tlp_ceiling="TLP:AMBER",
            pap_ceiling="PAP:AMBER",
            purposes=["defence", "warning", "exercise"],
            onward=Onward("none", constituents=True),
            retention_days=90,
            lanes=["actual", "exercise"],
            witnesses=witnesses,
        ),
        not_before=rfc3339(at - timedelta(minutes=1)),
        not_after=rfc3339(at + timedelta(days=365)),
    )
