"""The errors of detection."""

from mithaq.kernel.errors import Error


class UnknownHit(Error):
    """An identifier that no hit has."""

    code = "unknown-hit"


class UnknownGroup(Error):
    """A number that no group of hits has."""

    code = "unknown-hit-group"


class NotStopped(Error):
    """An object that the breaker has not stopped in that source."""

    code = "not-stopped"


class HitDecided(Error):
    """A hit about which somebody has decided already."""

    code = "hit-already-decided"


class UnusableReason(Error):
    """A reason that says nothing, is too long, or quotes what must not leave with it."""

    code = "unusable-reason"


class UnusablePeriod(Error):
    """Days for which hits cannot be expected."""

    code = "unusable-period"


class HuntFailed(Error):
    """The hunter process ended before its work was done; the hunt stays pending."""

    code = "hunt-failed"


class DetectorRunning(Error):
    """Another process writes the lake's open segment."""

    code = "detector-running"


class UnknownQuestion(Error):
    """A name that no saved hunt has, or an identifier that no answer has."""

    code = "unknown-hunt"


class BadSavedHunt(Error):
    """A saved hunt whose name or schedule cannot be used."""

    code = "bad-saved-hunt"


class QuestionRefused(Error):
    """A question that is not taken now, or an answer that cannot be changed any more."""

    code = "hunt-refused"
