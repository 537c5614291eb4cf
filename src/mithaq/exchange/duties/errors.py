"""What can be wrong with a duty."""

from mithaq.kernel.errors import Error


class BadAttestation(Error):
    """An attestation that is forged, malformed, or speaks of nothing that was released."""

    code = "bad-attestation"


class UnknownDuty(Error):
    """A duty that is not there, or is settled."""

    code = "unknown-duty"


class NothingOwed(Error):
    """Something for which no agreement in force knows a duty."""

    code = "nothing-owed"
