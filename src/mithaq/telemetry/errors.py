"""The errors of telemetry."""

from mithaq.kernel.errors import Error


class BadLine(Error):
    """A line of telemetry that cannot be read; it is reported and skipped."""

    code = "bad-telemetry-line"


class BadSource(Error):
    """A source that cannot be followed as it was described."""

    code = "bad-telemetry-source"


class UnknownSource(Error):
    """A name that no source has."""

    code = "unknown-telemetry-source"


class PushRefused(Error):
    """A pushed body that was not taken; nothing of it was kept."""

    code = "telemetry-push-refused"


class PushTooLarge(PushRefused):
    """A pushed body or line beyond its limit; sending it again would not help."""

    code = "telemetry-push-too-large"


class PushUnsupported(PushRefused):
    """A pushed body in an encoding or of a type that is not read."""

    code = "telemetry-push-unsupported"


class PushUnreadable(PushRefused):
    """A pushed body that is not what its headers say."""

    code = "telemetry-push-unreadable"


class PcapUnreadable(Error):
    """A packet capture that is not read: nothing here can, or what can has failed on it."""

    code = "pcap-unreadable"


class LakeBroken(Error):
    """A file of the lake that cannot be read."""

    code = "telemetry-lake-broken"


class BadQuestion(Error):
    """A question to the lake that cannot be answered as it is put."""

    code = "bad-telemetry-question"
