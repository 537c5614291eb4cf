"""What can be wrong with an archive."""

from mithaq.kernel.errors import Error


class BadArchive(Error):
    """A file that is no archive, not whole, or not from its sender to this nation."""

    code = "bad-archive"


class NotExchanging(Error):
    """A partner with whom nothing is exchanged now."""

    code = "partner-not-trusted"
