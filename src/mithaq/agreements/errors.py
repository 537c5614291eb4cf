"""What can be wrong with an agreement."""

from mithaq.kernel.errors import Error


class BadAgreement(Error):
    """A document that is no acceptable agreement."""

    code = "bad-agreement"


class UnknownAgreement(Error):
    """An agreement this node has never seen."""

    code = "unknown-agreement"


class NotAParty(Error):
    """A nation that is no party to the agreement."""

    code = "not-a-party"
