"""Whose signatures make a checkpoint count: known logs, known witnesses, and the quorum among them.

Source: c2sp.org/tlog-policy (untagged). Octets with the high bit set are read as UTF-8 here, and names are ASCII.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mithaq.kernel.tlog.checkpoint import Checkpoint, verified
from mithaq.kernel.tlog.errors import BadNote, BadProof
from mithaq.kernel.tlog.lines import decimal
from mithaq.kernel.tlog.note import Note
from mithaq.kernel.tlog.vkey import KeyType, VerifierKey

MAX_POLICY_BYTES = 1024 * 1024
MAX_LINES = 2_000
_NONE = "none"


@dataclass(frozen=True, slots=True)
class Group:
    """So many of these members, witnesses or groups, must have cosigned."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, named witnesses, named groups, and the name that must be satisfied (`none`: no cosignature)."""

    logs: tuple[VerifierKey, ...]
    witnesses: Mapping[str, VerifierKey]
    groups: Mapping[str, Group]
    quorum: str

    def encode(self) -> bytes:
        """Return the policy file."""
        lines = [f"log {key}" for key in self.logs]
        lines += [f"witness {name} {key}" for name, key in self.witnesses.items()]
        lines += [f"group {name} {group.threshold} {' '.join(group.members)}" for name, group in self.groups.items()]
        return "\n".join((*lines, f"quorum {self.quorum}", "")).encode()

    def check(self, note: Note) -> Mapping[VerifierKey, int]:
        """Return who signed a checkpoint that counts, with the times of the cosignatures.

        Raises:
            BadNote: it is no checkpoint, or a signature of a known key does not hold.
            BadProof: no known log signed it under its own origin, or the quorum is missed.
        """
        signed = verified(note, (*self.logs, *self.witnesses.values()))
        origin = Checkpoint.of(note).origin
        if not any(key in signed and key.name == origin for key in self.logs):
            raise BadProof("the checkpoint is not signed by a log that is known here")
        if not self._is_met(signed):
            raise BadProof("too few witnesses have cosigned the checkpoint")
        return signed

    def _is_met(self, signed: Mapping[VerifierKey, int]) -> bool:
        met = {_NONE} | {name for name, key in self.witnesses.items() if key in signed}
        for name, group in self.groups.items():  # each names only what was defined before it
            if len(met.intersection(group.members)) >= group.threshold:
                met.add(name)
        return self.quorum in met


@dataclass(slots=True)
class _Reading:
    """What the lines so far have defined."""

    logs: list[VerifierKey] = field(default_factory=list)
    witnesses: dict[str, VerifierKey] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    quorum: str | None = None

    def take(self, words: Sequence[str]) -> None:
        """Take the words of one line."""
        match words:
            case ["log", key, *url] if len(url) <= 1:
                self._log(VerifierKey.parse(key))
            case ["witness", name, key, *url] if len(url) <= 1:
                self._witness(self._fresh(name), VerifierKey.parse(key))
            case ["group", name, count, *members] if members:
                self._group(self._fresh(name), count, members)
            case ["quorum", name] if self.quorum is None and (name == _NONE or name in self._names()):
                self.quorum = name
            case _:
                raise BadNote("a line of the policy is not understood, or names what was not defined before it")

    def _names(self) -> set[str]:
        return self.witnesses.keys() | self.groups.keys()

    def _fresh(self, name: str) -> str:
        if name == _NONE or not name.isascii() or name in self._names():
            raise BadNote("%(name)s is defined twice, or may not be a name", name=ascii(name[:40]))
        return name

    def _log(self, key: VerifierKey) -> None:
        if key.type is not KeyType.ED25519 or key.public in {each.public for each in self.logs}:
            raise BadNote("a key of another type, or the same key twice")
        self.logs.append(key)

    def _witness(self, name: str, key: VerifierKey) -> None:
        if key.type is KeyType.ED25519 or key.public in {each.public for each in self.witnesses.values()}:
            raise BadNote("a key of another type, or the same key twice")
        self.witnesses[name] = key

    def _group(self, name: str, count: str, members: Sequence[str]) -> None:
        threshold = {"any": 1, "all": len(members)}.get(count) or decimal(count)
        unknown = set(members) - self._names()
        if not 1 <= threshold <= len(members) or unknown or len(set(members)) < len(members):
            raise BadNote("a group that cannot be satisfied, or of members that were not defined before it")
        if self.members & set(members):
            raise BadNote("a name is a member of two groups")
        self.members.update(members)
        self.groups[name] = Group(threshold, tuple(members))


def read_policy(data: bytes) -> Policy:
    """Read a policy file.

    Raises:
        BadNote: names the rule that was broken.
    """
    if len(data) > MAX_POLICY_BYTES or any(byte < 0x20 and byte not in b"\t\n" for byte in data) or b"\x7f" in data:
        raise BadNote("a control character in the policy, or it is over its limit")
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if lines[-1].strip(" \t") or len(lines) > MAX_LINES:
        raise BadNote("the policy does not end with a newline, or has too many lines")
    reading = _Reading()
    for line in lines[:-1]:
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        if words and not words[0].startswith("#"):
            reading.take(words)
    if reading.quorum is None:
        raise BadNote("the policy has no line for the quorum")
    return Policy(tuple(reading.logs), reading.witnesses, reading.groups, reading.quorum)
