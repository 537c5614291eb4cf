"""What can be wrong on the partner channel."""

from mithaq.kernel.errors import Error


class BadFrame(Error):
    """A frame that cannot be read, or is meant for somebody else."""

    code = "bad-frame"


class BadRelease(Error):
    """A signed release whose content breaks the protocol."""

    code = "bad-release"


class OutOfSequence(Error):
    """A release that is replayed, reordered, or leaves a gap."""

    code = "out-of-sequence"


class BadReceipt(Error):
    """A receipt that matches nothing this node sent."""

    code = "bad-receipt"


class BadLetter(Error):
    """A paper between nations that this node does not read, or not now."""

    code = "bad-letter"


class BadRequestSignature(Error):
    """An HTTP request that its nation did not sign."""

    code = "bad-request-signature"


class ClockSkew(Error):
    """Two nodes whose clocks are too far apart."""

    code = "clock-skew"


class CardWanted(Error):
    """A partner whose newer card is needed before anything is sealed to it."""

    code = "card-wanted"


class PartnerUnreachable(Error):
    """A partner's node that does not answer."""

    code = "partner-unreachable"


class PartnerRefused(Error):
    """A partner's node that answered with a refusal."""

    code = "partner-refused"


class NotReleasable(Error):
    """A release order that names something impossible."""

    code = "not-releasable"


class BadRecord(Error):
    """A record of the release log that cannot be read."""

    code = "bad-record"


class NotProven(Error):
    """A release whose leaf no sufficiently cosigned checkpoint covers yet."""

    code = "not-proven"


class Erased(Error):
    """A release whose signed bytes are gone because their time was over."""

    code = "erased"


class UnknownRelease(Error):
    """A release that this node neither sent nor received."""

    code = "unknown-release"


class BadAudit(Error):
    """An audit folder or an evidence file that is incomplete or malformed."""

    code = "bad-audit"
