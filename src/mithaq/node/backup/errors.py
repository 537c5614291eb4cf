"""What can go wrong with a backup."""

from mithaq.kernel.errors import Error


class BackupFailed(Error):
    """A backup that could not be made; nothing is left of it."""

    code = "backup-failed"


class BadBackup(Error):
    """A file that is no whole, unchanged backup of a node."""

    code = "bad-backup"


class RestoreRefused(Error):
    """A place where a node must not be restored."""

    code = "restore-refused"
