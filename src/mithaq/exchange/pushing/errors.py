"""What can go wrong with pushing."""

from mithaq.kernel.errors import Error


class UnknownTarget(Error):
    """A constituent to whose MISP nothing is pushed."""

    code = "unknown-push-target"


class EventNotTaken(Error):
    """An event that a constituent's MISP does not take."""

    code = "event-not-taken"


class SightingsNotTaken(Error):
    """A constituent's MISP takes events from this node, and no sightings."""

    code = "sightings-not-taken"


class TargetGone(Error):
    """A target that was removed or replaced while it was pushed to; what was still to leave stays."""

    code = "push-target-gone"
