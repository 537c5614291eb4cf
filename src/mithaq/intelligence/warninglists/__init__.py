"""Lists of values that make poor indicators (MISP warning lists), compiled for look-ups in microseconds."""

from mithaq.intelligence.warninglists.index import WarningLists

__all__ = ["WarningLists"]
