"""What every room of the exchange stands on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mithaq.agreements.service import Agreements
from mithaq.exchange.gatekeeping import Gatekeeper
from mithaq.exchange.log.flushing import Flusher
from mithaq.exchange.log.service import ReleaseLog
from mithaq.exchange.protecting import Protecting
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.signing import Signer
from mithaq.nations.service import Partners


@dataclass(frozen=True, slots=True)
class Context:
    """One node's services, as the exchange uses them; `ids` draws the identifier of a release."""

    db: Database
    own: NationId
    holdings: Holdings
    agreements: Agreements
    partners: Partners
    signer: Signer
    flusher: Flusher
    ids: Callable[[str], str] = new_id

    @property
    def log(self) -> ReleaseLog:
        """Return this nation's release log."""
        return self.flusher.log

    @property
    def protecting(self) -> Protecting:
        """Return the maker of protected versions."""
        return Protecting(self.own, self.holdings)

    def gatekeeper(self, connection: Connection, at: datetime) -> Gatekeeper:
        """Return the gate over one view of the database."""
        return Gatekeeper(connection, self.own, self.holdings, self.agreements, self.partners, at)
