"""The key file over time: weekly sealing keys, and signing keys that wait for the root officials' word.

Every step is one whole replacement of the file and can be repeated, so that a crash between two steps loses nothing: a
sealing key is in the file before a card shows it, and prepared keys stay beside the present ones until an accepted
statement authorises them.
"""

import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import msgspec

from mithaq.kernel import canonical, keystore
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.keystore import Keys
from mithaq.kernel.sealing import OpenKey, SealKey
from mithaq.nations.errors import SignerRefused
from mithaq.nations.keys.errors import KeysNotHeld
from mithaq.nations.keys.model import SubKey
from mithaq.nations.keys.settings import SUB_KEY_AGE, SUB_KEY_KEPT
from mithaq.nations.model import OnlineKeys
from mithaq.nations.rules import online_keys_json, read_online_keys
from mithaq.nations.signer import LocalSigner, RemoteSigner

USES = ("signing", "log", "witness")
_SEEDS = ("signing_ed25519", "signing_mldsa65", "log_ed25519", "witness_ed25519", "witness_mldsa44")


class Keyring(Protocol):
    """Who tells of a node's keys and changes them."""

    def sealing(self) -> SubKey:
        """Return the newest sealing key."""
        ...

    def refresh_sealing(self, at: datetime) -> SubKey:
        """Make a sealing key where the newest is a week old, delete those no longer needed; return the newest."""
        ...

    def current(self) -> OnlineKeys:
        """Return the keys the node signs with."""
        ...

    def prepared(self) -> OnlineKeys | None:
        """Return the keys that wait for the officials' word."""
        ...

    def prepare(self, uses: Collection[str]) -> OnlineKeys:
        """Draw new keys for some uses and keep them beside the present ones."""
        ...

    def activate(self, wanted: OnlineKeys) -> None:
        """Sign with prepared keys from now on; the present ones are deleted.

        Raises:
            KeysNotHeld: they are neither the present nor the prepared ones.
        """
        ...


@dataclass
class FileKeyring:
    """The key file in the process that may open it: the signer, or a command on a node that stands still."""

    path: Path
    nation: NationId
    passphrase: bytes
    keys: Keys

    def __post_init__(self) -> None:
        """Sign with the keys of the file."""
        self.signer = LocalSigner(self.keys, self.nation)
        self._turn = threading.Lock()

    @staticmethod
    def open(path: Path, nation: NationId, passphrase: bytes) -> "FileKeyring":
        """Decrypt the key file.

        Raises:
            KeystoreLocked: the file is absent, changed, or the passphrase is wrong.
        """
        return FileKeyring(path, nation, passphrase, keystore.read(path, passphrase))

    def sealing(self) -> SubKey:
        """Return the newest sealing key."""
        mlkem768, x25519, made_at = self.keys.open_keys[0]
        return SubKey(OpenKey(mlkem768, x25519).seal_key, datetime.fromtimestamp(made_at, UTC))

    def refresh_sealing(self, at: datetime) -> SubKey:
        """Make a sealing key where the newest is a week old, delete those that are no longer needed."""
        with self._turn:
            held = list(self.keys.open_keys)
            if at.timestamp() - held[0][2] >= SUB_KEY_AGE.total_seconds():
                fresh = OpenKey.generate()
                held.insert(0, (fresh.mlkem768_seed, fresh.x25519_private, at.timestamp()))
            oldest_needed = at.timestamp() - SUB_KEY_KEPT.total_seconds()
            kept = held[:1] + [each for later, each in pairwise(held) if later[2] > oldest_needed]
            if kept != self.keys.open_keys:
                self._write(msgspec.structs.replace(self.keys, open_keys=kept))
        return self.sealing()

    def current(self) -> OnlineKeys:
        """Return the keys the node signs with."""
        return _public(self.keys)

    def prepared(self) -> OnlineKeys | None:
        """Return the keys that wait for the officials' word."""
        return _public(_promoted(self.keys)) if self.keys.prepared else None

    def prepare(self, uses: Collection[str]) -> OnlineKeys:
        """Draw new keys for some uses; an earlier preparation is replaced."""
        with self._turn:
            fresh = Keys.generate()
            seeds = tuple(getattr(fresh if name.partition("_")[0] in uses else self.keys, name) for name in _SEEDS)
            self._write(msgspec.structs.replace(self.keys, prepared=seeds))
        return _public(_promoted(self.keys))

    def activate(self, wanted: OnlineKeys) -> None:
        """Sign with prepared keys from now on; the present ones are deleted.

        Raises:
            KeysNotHeld: they are neither the present nor the prepared ones.
        """
        with self._turn:
            if wanted == self.current():
                return
            if not self.keys.prepared or wanted != _public(_promoted(self.keys)):
                raise KeysNotHeld("the statement authorises keys that this node does not hold; see `mithaq key rotate`")
            self._write(_promoted(self.keys))

    def answer(self, request: dict[str, Any]) -> bytes:
        """Do what another process of this node asks for."""
        match request.get("do"):
            case "sealing":
                return _sub_key_bytes(self.sealing())
            case "refresh":
                return _sub_key_bytes(self.refresh_sealing(from_rfc3339(str(request["at"]))))
            case "current":
                return canonical.dumps(online_keys_json(self.current()))
            case "prepared":
                prepared = self.prepared()
                return canonical.dumps(online_keys_json(prepared)) if prepared else b""
            case "prepare":
                return canonical.dumps(online_keys_json(self.prepare([str(use) for use in request["uses"]])))
            case "activate":
                self.activate(read_online_keys(canonical.loads(bytes(request["keys"]))))
                return b""
            case _:
                raise SignerRefused("unknown operation")

    def _write(self, keys: Keys) -> None:
        keystore.write(self.path, keys, self.passphrase)
        self.keys = keys
        self.signer.use(keys)

    def __repr__(self) -> str:
        return f"FileKeyring({str(self.path)!r}, <secret>)"


@dataclass(frozen=True)
class RemoteKeyring:
    """Ask the signer process."""

    signer: RemoteSigner

    def sealing(self) -> SubKey:
        """Return the newest sealing key."""
        return _read_sub_key(self.signer.keyring({"do": "sealing"}))

    def refresh_sealing(self, at: datetime) -> SubKey:
        """Make a sealing key where the newest is a week old, delete those that are no longer needed."""
        return _read_sub_key(self.signer.keyring({"do": "refresh", "at": rfc3339(at)}))

    def current(self) -> OnlineKeys:
        """Return the keys the node signs with."""
        return read_online_keys(canonical.loads(self.signer.keyring({"do": "current"})))

    def prepared(self) -> OnlineKeys | None:
        """Return the keys that wait for the officials' word."""
        answer = self.signer.keyring({"do": "prepared"})
        return read_online_keys(canonical.loads(answer)) if answer else None

    def prepare(self, uses: Collection[str]) -> OnlineKeys:
        """Draw new keys for some uses; an earlier preparation is replaced."""
        return read_online_keys(canonical.loads(self.signer.keyring({"do": "prepare", "uses": list(uses)})))

    def activate(self, wanted: OnlineKeys) -> None:
        """Sign with prepared keys from now on; the present ones are deleted.

        Raises:
            SignerRefused: they are neither the present nor the prepared ones.
        """
        self.signer.keyring({"do": "activate", "keys": canonical.dumps(online_keys_json(wanted))})


def _promoted(keys: Keys) -> Keys:
    seeds = dict(zip(_SEEDS, keys.prepared or (), strict=True))
    return msgspec.structs.replace(keys, prepared=None, **seeds)


def _public(keys: Keys) -> OnlineKeys:
    return OnlineKeys(keys.signing.verify_key, keys.log_public, *keys.witness_public)


def _sub_key_bytes(each: SubKey) -> bytes:
    return canonical.dumps({"key": each.key.as_json(), "made_at": rfc3339(each.made_at)})


def _read_sub_key(data: bytes) -> SubKey:
    value = canonical.loads(data)
    return SubKey(SealKey.of_json(value["key"]), from_rfc3339(value["made_at"]))
