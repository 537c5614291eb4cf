"""The errors of sensor content."""

from mithaq.kernel.errors import Error


class BadSensor(Error):
    """A name that cannot be used, or is taken."""

    code = "bad-sensor"


class UnknownSensor(Error):
    """No such sensor, or no such version of its bundle."""

    code = "unknown-sensor"


class BundleOutdated(Error):
    """A kept version that holds what may not be given any more."""

    code = "bundle-outdated"


class BadBundle(Error):
    """An archive that is no bundle of this nation, or was changed."""

    code = "bad-bundle"
