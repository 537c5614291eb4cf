"""When a check warns, with units."""

from datetime import timedelta

CARD_WARNING = timedelta(days=30)
AGREEMENT_WARNING = timedelta(days=30)
READER_WARNING = timedelta(seconds=30)
READER_WRONG = timedelta(minutes=5)
TROUBLE_WRONG = timedelta(minutes=1)
"""Two long-polls: a channel tries again at once, and says that it is well when the next answer came."""

PARTNER_WRONG = timedelta(minutes=15)
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
