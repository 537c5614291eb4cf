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


class BadStatement(Error):
    """A statement about an agreement that is not signed, not true to it, or not provided for."""

    code = "bad-statement"


class MissingStatement(Error):
    """A statement whose predecessor has not come yet."""

    code = "missing-statement"
