"""Limits of sensor content, with their units."""

from datetime import timedelta
from typing import Final

FIRST_SID: Final = 800_000_000
"""The lowest number of a rule; the next 268 million are this node's (blocklists number theirs from 500 million on)."""

SIDS: Final = 1 << 28

KEPT_VERSIONS: Final = 10
"""Versions of a bundle that are kept, the newest among them."""

ALERT_EVERY_S: Final = 3_600
"""An address alerts at most once in this time for each pair of hosts."""

QUERY_INTERVAL_S: Final = 300
"""How often osquery asks a query of a pack."""

VALUES_A_QUERY: Final = 500
"""Values that one query of a pack names."""

PULL_NOTED_EVERY: Final = timedelta(minutes=1)
"""How exactly the last pull of an unchanged bundle is known."""

LOOK_S: Final = 300.0
"""How long the worker waits without news before it looks again."""

PAUSES: Final = 3
"""The worker makes bundles in at most a quarter of the time."""

LONGEST_PAUSE_S: Final = 60.0
