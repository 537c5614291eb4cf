"""When a check warns, with units."""

from datetime import timedelta

CARD_WARNING = timedelta(days=30)
AGREEMENT_WARNING = timedelta(days=30)
READER_WARNING = timedelta(seconds=30)
READER_WRONG = timedelta(minutes=5)
TROUBLE_WRONG = timedelta(minutes=1)
"""Two long-polls: a channel tries again at once, and says that it is well when the next answer came."""

PARTNER_WRONG = timedelta(minutes=15)
LOG_BEHIND = timedelta(hours=1)
"""How long a paper may be on its way before a membership log that lacks it is named."""

LOG_UNREAD = timedelta(days=1)
LOG_WATCHED = timedelta(days=2)
"""A log that has not been asked for so long is not watched any more: the agreement is over, or the nation left it."""

SENSOR_WARNING = timedelta(days=1)
SENSOR_WRONG = timedelta(days=7)
TOKEN_WARNING = timedelta(days=14)
SOURCE_FAILURES_WRONG = 5
SOURCE_LATE = timedelta(hours=1)
SEALING_LATE = timedelta(minutes=30)
"""How long a closed segment of the lake may wait; until it is sealed a hunt scans it, which takes longer."""

DISK_WARNING_BYTES = 2 * 1024**3
DISK_WRONG_BYTES = 256 * 1024**2
CLOCK_BACK = timedelta(seconds=2)
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.ceph-fuse", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs",
        "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs",
    }
)  # fmt: skip
"""File systems whose locks SQLite cannot rely on (sqlite.org, How To Corrupt An SQLite Database File, §2.1)."""
