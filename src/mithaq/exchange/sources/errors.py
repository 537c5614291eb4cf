"""What can go wrong with what this node fetches."""

from mithaq.kernel.errors import Error


class BadSource(Error):
    """A source that cannot be fetched as it was described."""

    code = "bad-source"


class UnknownSource(Error):
    """A source, or something in its quarantine, that is not there."""

    code = "unknown-source"


class SourceUnreachable(Error):
    """A source that does not answer."""

    code = "source-unreachable"


class SourceBrokenOff(Error):
    """A source whose answer breaks off, or comes too slowly."""

    code = "source-broken-off"


class SourceRefused(Error):
    """A source that lets this node in no more: it is not asked again until somebody has looked."""

    code = "source-refused"


class SourceFailed(Error):
    """A source that answers with an error; `status` is that of HTTP, `retry_after_s` what it asks for."""

    code = "source-failed"

    def __init__(self, message: str, /, *, status: int, retry_after_s: float | None = None, detail: str = "") -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(message, status=status, detail=detail)


class SourceUnreadable(Error):
    """An answer that is not what such a source gives: no JSON, or a page for people."""

    code = "source-unreadable"


class SourceTooLarge(Error):
    """An answer that is larger than one of its kind may be, packed or unpacked."""

    code = "source-too-large"


class SourceCircles(Error):
    """A source that says there is more and gives no way to it."""

    code = "source-circles"


class SourceShrunk(Error):
    """A list that is empty, or from which more has gone at once than any list loses: half a file, perhaps."""

    code = "source-shrunk"


class CredentialUnusable(Error):
    """A kept credential that cannot be opened any more."""

    code = "source-credential-unusable"


class Cut(Error):
    """A run that has used up its time, bytes or objects; it goes on when the other sources have had their turn."""

    code = "source-run-cut"


class Overtaken(Error):
    """A run of a source that somebody paused, changed, removed, or runs elsewhere."""

    code = "source-overtaken"
