"""The errors of response."""

from mithaq.kernel.errors import Error


class NotBlockable(Error):
    """A value that is no address, network, domain or URL."""

    code = "not-blockable"


class UnknownNeverBlock(Error):
    """A value that is not on the never-block list."""

    code = "unknown-never-block-entry"
