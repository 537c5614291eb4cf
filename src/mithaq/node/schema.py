"""Every table of a node, known together: importing this module registers them all."""

import mithaq.agreements.store
import mithaq.detection.hits.breaker
import mithaq.detection.patterns.state
import mithaq.detection.questions.store
import mithaq.detection.rulebook.store
import mithaq.detection.store
import mithaq.detection.yara.store
import mithaq.exchange.archive.store
import mithaq.exchange.duties.store
import mithaq.exchange.log.store
import mithaq.exchange.membership.store
import mithaq.exchange.misp.store
import mithaq.exchange.pushing.store
import mithaq.exchange.sources.store
import mithaq.exchange.store
import mithaq.exchange.taxii.partners.store
import mithaq.exchange.taxii.store
import mithaq.intelligence.store
import mithaq.nations.constituents.store
import mithaq.nations.keys.store
import mithaq.nations.people.store
import mithaq.nations.store
import mithaq.response.sensors.store
import mithaq.response.store
import mithaq.telemetry.lake.keeping
import mithaq.telemetry.store  # noqa: F401 - imported for the tables they register
from mithaq.kernel.database import metadata

__all__ = ["metadata"]
