"""The errors of YARA on files; a rule that cannot be followed is `standards.yara.BadYara`."""

from mithaq.kernel.errors import Error


class ScannerEnded(Error):
    """The process that compiles or scans was ended, or ended by itself, before it answered."""

    code = "yara-process-ended"


class FileRefused(Error):
    """A file that is not scanned."""

    code = "file-not-scanned"


class FileUnreadable(FileRefused):
    """A file on which the process that reads it failed; it may be tried again."""

    code = "file-unreadable"
