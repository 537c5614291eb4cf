"""What can be wrong with foreign bytes that claim to follow a standard."""

from mithaq.kernel.errors import Error


class BadObject(Error):
    """One STIX object that cannot be read; the subject names it."""

    code = "bad-stix-object"


class BadBundle(Error):
    """A bundle whose frame is broken, so that no further object can be found in it."""

    code = "bad-stix-bundle"
