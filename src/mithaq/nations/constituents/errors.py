"""What can go wrong with constituents and their accounts."""

from mithaq.kernel.errors import Error


class UnknownConstituent(Error):
    """No such constituent, or no such account in use, at this node."""

    code = "unknown-constituent"


class BadConstituent(Error):
    """An id, a name or a sector that cannot be used, or an id that is taken."""

    code = "bad-constituent"
