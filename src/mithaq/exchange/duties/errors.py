"""What can be wrong with a duty."""

from mithaq.kernel.errors import Error


class BadAttestation(Error):
    """An attestation that is forged, malformed, or speaks of nothing that was released."""

    code = "bad-attestation"


class BadDuty(Error):
    """A person's word about a duty breaks its form: no reason, a value that is not offered, no id of an incident."""

    code = "bad-duty"


class UnknownDuty(Error):
    """A duty that is not there, or is settled."""

    code = "unknown-duty"


class NothingOwed(Error):
    """Something for which no agreement in force knows a duty."""

    code = "nothing-owed"
