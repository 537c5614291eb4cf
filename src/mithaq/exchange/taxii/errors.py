"""What can go wrong on the TAXII server; the status of HTTP is the doors' matter."""

from mithaq.kernel.errors import Error


class UnknownCollection(Error):
    """A collection that is not there, or not for who asks."""

    code = "unknown-collection"


class BadCollection(Error):
    """A collection that cannot be made or changed like this."""

    code = "bad-collection"


class BadFilter(Error):
    """A filter, limit or cursor of a TAXII request that cannot be used."""

    code = "bad-taxii-filter"


class UnknownOnShelf(Error):
    """An object or a status that is not there, or not for who asks."""

    code = "unknown-taxii-resource"


class NotTaken(Error):
    """An envelope that cannot be processed at all."""

    code = "taxii-envelope-refused"
