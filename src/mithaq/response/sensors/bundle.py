"""One archive for a sensor: its files, a manifest, their digests, and this nation's signature over the digests.

The same content, number and signature give the same bytes. `SHA256SUMS` is what is signed, as DSSE signs it, so that
`openssl` and `sha256sum` are enough to check a bundle offline; `SHA256SUMS.dsse` holds both halves of the signature.
"""

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mithaq.kernel.signing import Signer, VerifyKey, read_envelope, verify
from mithaq.response.sensors.errors import BadBundle

MEDIA_TYPE: Final = "application/gzip"
PAYLOAD_TYPE: Final = "application/vnd.mithaq.sensor-bundle"
MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
SIGNATURE: Final = "SHA256SUMS.sig"
ENVELOPE: Final = "SHA256SUMS.dsse"
MAX_BUNDLE_BYTES: Final = 256 * 1024 * 1024
_MAX_FILES: Final = 64
_MAX_FILE_BYTES: Final = 256 * 1024 * 1024


def with_manifest(files: Mapping[str, bytes], said: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files with the manifest that names each of them."""
    listed = [
        {"path": path, "sha256": hashlib.sha256(files[path]).hexdigest(), "bytes": len(files[path])}
        for path in sorted(files)
    ]
    manifest = json.dumps({"format": 1, **said, "files": listed}, indent=1, sort_keys=True, ensure_ascii=True)
    return {**files, MANIFEST: manifest.encode() + b"\n"}


def sums(files: Mapping[str, bytes]) -> bytes:
    """Return the digests of all files, as `sha256sum` reads them."""
    return "".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files)).encode()


def packed(files: Mapping[str, bytes], signer: Signer, made_at: datetime) -> bytes:
    """Sign the files and put them into one archive."""
    listed = sums(files)
    envelope = signer.sign(PAYLOAD_TYPE, listed)
    ed25519 = next(sig for key_id, sig in read_envelope(envelope).signatures if key_id.startswith("ed25519:"))
    return _archive({**files, SUMS: listed, SIGNATURE: ed25519, ENVELOPE: envelope}, made_at)


def opened(archive: bytes, key: VerifyKey) -> dict[str, bytes]:
    """Return the files of a bundle that this nation signed with both halves of its key.

    Raises:
        BadBundle: it is no bundle, a file is missing, added or changed, or the signature does not hold.
        BadJson, BadSignature: the envelope is none, or does not hold.
    """
    files = unpacked(archive)
    envelope, listed = files.pop(ENVELOPE, b""), files.pop(SUMS, b"")
    files.pop(SIGNATURE, None)
    if verify(envelope, key, PAYLOAD_TYPE, subject=ENVELOPE) != listed or sums(files) != listed:
        raise BadBundle("its files are not those that were signed")
    return files


def unpacked(archive: bytes) -> dict[str, bytes]:
    """Return the files of an archive; nothing is checked yet.

    Raises:
        BadBundle: it is no archive, or is larger than any bundle.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            files: dict[str, bytes] = {}
            for member in tar:
                found = tar.extractfile(member) if member.isreg() and member.size <= _MAX_FILE_BYTES else None
                if found is None or len(files) >= _MAX_FILES:
                    raise BadBundle("this is no bundle for a sensor")
                files[member.name] = found.read()
            return files
    except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
        raise BadBundle("this is no bundle for a sensor", private=str(error)) from error


def pem(key: VerifyKey) -> str:
    """Return the half of a key that `openssl` understands, as a public key in PEM."""
    public = Ed25519PublicKey.from_public_bytes(key.ed25519)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _archive(files: Mapping[str, bytes], made_at: datetime) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size, member.mtime, member.mode = len(files[path]), int(made_at.timestamp()), 0o644
            tar.addfile(member, io.BytesIO(files[path]))
    return gzip.compress(buffer.getvalue(), 6, mtime=0)
