"""The signer: the only process that holds private keys, and the client the others use.

One Unix socket in the node's run folder; only processes of the same user are answered. Frames are four bytes of
length and a msgpack map.
"""

import os
import socket
import socketserver
import struct
import threading
from pathlib import Path
from typing import Any, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.keystore import Keys
from mithaq.kernel.sealing import BadSeal, open_with
from mithaq.kernel.signing import VerifyKey, sign_with
from mithaq.kernel.tlog.checkpoint import Checkpoint, cosign, sign_checkpoint
from mithaq.kernel.tlog.note import Note
from mithaq.kernel.tlog.vkey import KeyType, NoteKey
from mithaq.kernel.wake import short_path
from mithaq.nations.errors import SignerRefused, SignerUnreachable
from mithaq.nations.names import parse_origin, witness_name

SOCKET_NAME = "signer.sock"
_TYPES = "application/vnd.mithaq."
_MAX_FRAME = 64 * 1024 * 1024
_TIMEOUT_S = 30.0


class LocalSigner:
    """Private keys in this very process: the signer itself, and offline commands."""

    def __init__(self, keys: Keys, nation: NationId) -> None:
        self._nation = nation
        self._signed: dict[str, Checkpoint] = {}
        self.use(keys)

    def use(self, keys: Keys) -> None:
        """Sign and open with these keys from now on."""
        self._keys = keys
        self._request_key = Ed25519PrivateKey.from_private_bytes(keys.signing_ed25519)
        self.verify_key = keys.signing.verify_key

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        """Sign one of Mithaq's own documents.

        Raises:
            SignerRefused: the payload type is none of Mithaq's.
        """
        if not payload_type.startswith(_TYPES):
            raise SignerRefused("the signer signs Mithaq's documents only", subject=payload_type[:80])
        return sign_with(self._keys.signing, payload_type, payload)

    def sign_request(self, base: bytes) -> bytes:
        """Sign an HTTP signature base (RFC 9421 §2.5), which never looks like a DSSE message.

        Raises:
            SignerRefused: the bytes are no signature base.
        """
        if not base.startswith(b'"') or b'"@signature-params"' not in base:
            raise SignerRefused("no HTTP signature base")
        return self._request_key.sign(base)

    def open_sealed(self, sealed: bytes, info: bytes) -> bytes:
        """Open what was sealed to this nation's current or an earlier key.

        Raises:
            BadSeal: no key opens it.
        """
        for key in self._keys.opening:
            try:
                return open_with(key, sealed, info)
            except BadSeal:
                continue
        raise BadSeal("sealed to another key, under another context, or changed on the way")

    def sign_checkpoint(self, text: str) -> bytes:
        """Sign a checkpoint of one of this nation's own logs; never two roots for one size.

        Raises:
            BadNote: the text is no checkpoint.
            SignerRefused: it is of another nation's log, or contradicts what was signed before.
        """
        checkpoint = Checkpoint.of(Note(text, ()))
        if parse_origin(checkpoint.origin).nation != self._nation:
            raise SignerRefused("the signer signs checkpoints of this nation's own logs only")
        before = self._signed.get(checkpoint.origin, checkpoint)
        if before.size == checkpoint.size and before.root != checkpoint.root:
            raise SignerRefused("the signer signed another root for this size of the log")
        self._signed[checkpoint.origin] = max(before, checkpoint, key=lambda each: each.size)
        key = NoteKey(checkpoint.origin, KeyType.ED25519, self._keys.log_ed25519)
        return sign_checkpoint(checkpoint, key).encode()

    def cosign(self, text: str, time_s: int) -> str:
        """Cosign a partner's checkpoint with both witness keys.

        Raises:
            BadNote: the text is no checkpoint.
            SignerRefused: it is of this nation's own log, which it cannot witness.
        """
        checkpoint = Checkpoint.of(Note(text, ()))
        if parse_origin(checkpoint.origin).nation == self._nation:
            raise SignerRefused("a nation is no witness of its own log")
        name = witness_name(self._nation)
        keys = (
            NoteKey(name, KeyType.COSIGNATURE_ED25519, self._keys.witness_ed25519),
            NoteKey(name, KeyType.COSIGNATURE_MLDSA44, self._keys.witness_mldsa44),
        )
        return "".join(cosign(checkpoint, key, time_s).line for key in keys)

    def note_keys(self) -> tuple[bytes, bytes, bytes]:
        """Return the public halves of the log key and of both witness keys."""
        return (self._keys.log_public, *self._keys.witness_public)


class RemoteSigner:
    """Ask the signer process; one connection a thread."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / SOCKET_NAME
        self._local = threading.local()

    @property
    def verify_key(self) -> VerifyKey:
        """Return the public half of the signing key, which another process may have rotated since it was last asked."""
        halves = self._ask({"op": "verify_key"})
        return VerifyKey(halves[:32], halves[32:])

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        """Return a DSSE envelope around the payload."""
        return self._ask({"op": "sign", "type": payload_type, "data": payload})

    def sign_request(self, base: bytes) -> bytes:
        """Return the Ed25519 signature over an HTTP signature base."""
        return self._ask({"op": "sign_request", "data": base})

    def open_sealed(self, sealed: bytes, info: bytes) -> bytes:
        """Return the plaintext that was sealed to this nation."""
        return self._ask({"op": "open", "data": sealed, "info": info})

    def sign_checkpoint(self, text: str) -> bytes:
        """Return a checkpoint of one of this nation's logs, signed as a note."""
        return self._ask({"op": "sign_checkpoint", "text": text})

    def cosign(self, text: str, time_s: int) -> str:
        """Return this nation's lines of cosignature on a partner's checkpoint."""
        return self._ask({"op": "cosign", "text": text, "time_s": time_s}).decode()

    def note_keys(self) -> tuple[bytes, bytes, bytes]:
        """Return the public halves of the log key and of both witness keys."""
        halves = self._ask({"op": "note_keys"})
        return halves[:32], halves[32:64], halves[64:]

    def keyring(self, request: dict[str, Any]) -> bytes:
        """Ask for something that changes keys or tells of them (`nations.keys.keyring`)."""
        return self._ask({"op": "keyring"} | request)

    def is_reachable(self) -> bool:
        """Tell whether a signer answers on this node's socket; a socket left behind by a dead one does not."""
        try:
            self._connection()
        except OSError:
            self.close()
            return False
        return True

    def _ask(self, request: dict[str, Any]) -> bytes:
        try:
            answer = self._exchange(request)
        except (OSError, EOFError):  # the signer was started anew: one more try, on a fresh connection
            try:
                answer = self._exchange(request)
            except (OSError, EOFError) as error:
                raise SignerUnreachable(
                    "the signer does not answer; is the node running?", private=str(error)
                ) from error
        if "error" in answer:
            kind = BadSeal if answer["error"] == BadSeal.code else SignerRefused
            raise kind(str(answer["message"]))
        return bytes(answer["ok"])

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            connection = self._connection()
            _send(connection, request)
            return _receive(connection)
        except (OSError, EOFError):
            self.close()
            raise

    def _connection(self) -> socket.socket:
        connection: socket.socket | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._local.connection = connection
            connection.settimeout(_TIMEOUT_S)
            with short_path(self._path) as address:
                connection.connect(address)
        return connection

    def close(self) -> None:
        """Close this thread's connection."""
        connection: socket.socket | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None


def _send(connection: socket.socket, value: dict[str, Any]) -> None:
    body = msgspec.msgpack.encode(value)
    connection.sendall(struct.pack(">I", len(body)) + body)


def _receive(connection: socket.socket) -> dict[str, Any]:
    (length,) = struct.unpack(">I", _exactly(connection, 4))
    if length > _MAX_FRAME:
        raise EOFError("a frame over the limit")
    answer: dict[str, Any] = msgspec.msgpack.decode(_exactly(connection, length))
    return answer


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(min(count - len(parts), 1 << 20))
        if not part:
            raise EOFError("the other side closed")
        parts += part
    return bytes(parts)


class _Handler(socketserver.BaseRequestHandler):
    server: "SignerServer"

    def handle(self) -> None:
        """Answer one connection until it closes; refuse other users of the machine."""
        credentials = self.request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        if uid != os.getuid():
            return
        while True:
            try:
                request = _receive(self.request)
            except (EOFError, OSError, msgspec.DecodeError):
                return
            _send(self.request, self._answer(request))

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        signer = self.server.signer
        try:
            match request.get("op"):
                case "sign":
                    return {"ok": signer.sign(str(request["type"]), bytes(request["data"]))}
                case "sign_request":
                    return {"ok": signer.sign_request(bytes(request["data"]))}
                case "open":
                    return {"ok": signer.open_sealed(bytes(request["data"]), bytes(request["info"]))}
                case "sign_checkpoint":
                    return {"ok": signer.sign_checkpoint(str(request["text"]))}
                case "cosign":
                    return {"ok": signer.cosign(str(request["text"]), int(request["time_s"])).encode()}
                case "note_keys":
                    return {"ok": b"".join(signer.note_keys())}
                case "keyring" if self.server.keyring:
                    return {"ok": self.server.keyring.answer(request)}
                case "verify_key":
                    return {"ok": signer.verify_key.ed25519 + signer.verify_key.mldsa65}
                case _:
                    return {"error": SignerRefused.code, "message": "unknown operation"}
        except Error as error:
            return {"error": error.code, "message": error.message % error.params if error.params else error.message}


class Answering(Protocol):
    """Who changes the key file; lives in the signer's process."""

    signer: LocalSigner

    def answer(self, request: dict[str, Any]) -> bytes:
        """Do what is asked and return the public outcome."""
        ...


class SignerServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serve a node's keys to its own processes."""

    daemon_threads = True

    def __init__(self, run_dir: Path, keys: Keys, nation: NationId, keyring: "Answering | None" = None) -> None:
        self.signer = keyring.signer if keyring else LocalSigner(keys, nation)
        self.keyring = keyring
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = run_dir / SOCKET_NAME
        path.unlink(missing_ok=True)
        with short_path(path) as address:
            super().__init__(address, _Handler)
        path.chmod(0o600)
