"""The prefilter in C, called without the interpreter's lock: see `native/`."""

import ctypes
import secrets
from collections.abc import Iterable
from functools import cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Final

from mithaq.detection.prefilter.build import fold_file, library
from mithaq.detection.prefilter.model import Block
from mithaq.standards.observable import Observable, ObservableType

KINDS: Final[dict[ObservableType, str]] = {
    **dict.fromkeys(("ipv4", "ipv6", "domain"), "a"),
    "cidr": "n",
    "url": "u",
    "email": "e",
    **dict.fromkeys(("md5", "sha1", "sha256", "sha512", "ja3", "ja4"), "w"),
}
"""How the kernel takes each type: an address or a name, a network, a URL, an e-mail address, one word."""

_AT_ONCE: Final = 20_000
_ROOM: Final = 4_096


class _Buffer(ctypes.Structure):
    """CPython's `Py_buffer`, part of the stable interface since 3.11."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


def is_compiled() -> bool:
    """Tell whether the kernel of these very sources was compiled."""
    return library().exists() and fold_file().exists()


class CompiledPrefilter:
    """See `Prefilter`. Memory: 16 to 24 bytes a key, and 2 MB as soon as there is a network of IPv4.

    Cost of `candidates`: some 2 GB/s for a thread on logs of Zeek; adding never makes a scan wait.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._kernel = _load(path or library())
        self._fold = fold_file().read_bytes()
        self._adding = Lock()
        self._set = self._kernel.set_new(secrets.randbits(64), self._fold, len(self._fold) // 4)
        if not self._set:
            raise MemoryError

    def __del__(self) -> None:
        if getattr(self, "_set", None):
            self._kernel.set_free(self._set)

    def __len__(self) -> int:
        return int(self._kernel.set_keys(self._set))

    @property
    def size_bytes(self) -> int:
        """Return the memory that the set takes, the table of characters included."""
        return int(self._kernel.set_bytes(self._set)) + len(self._fold)

    def add(self, observables: Iterable[Observable]) -> None:
        """See `Prefilter.add`. Cost: 0.3 ms for a thousand."""
        rest = iter(observables)
        while part := [f"{KINDS[each.type]}{each.value}\n" for each in islice(rest, _AT_ONCE)]:
            text = "".join(part).encode("utf-8", "surrogatepass")
            with self._adding:
                taken = self._kernel.set_add(self._set, text, len(text))
            if taken < 0:
                raise MemoryError
            if taken != len(part):
                raise ValueError(f"{len(part) - taken} of {len(part)} observables are not in canonical form")

    def candidates(self, block: Block) -> list[tuple[int, int]]:
        """See `Prefilter.candidates`."""
        buffer = _Buffer()
        _get_buffer(block, ctypes.byref(buffer), 0)
        try:
            return self._scan(buffer)
        finally:
            _release_buffer(ctypes.byref(buffer))

    def _scan(self, buffer: _Buffer) -> list[tuple[int, int]]:
        room = _ROOM
        while True:
            lines = (ctypes.c_int64 * (2 * room))()
            found = self._kernel.set_scan(self._set, buffer.buf, buffer.len, lines, room)
            if found <= room:
                flat = lines[: 2 * found]
                return list(zip(flat[::2], flat[1::2], strict=True))
            room = found + found // 8


_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = (ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int)
_get_buffer.restype = ctypes.c_int
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = (ctypes.POINTER(_Buffer),)
_release_buffer.restype = None


@cache
def _load(path: Path) -> ctypes.CDLL:
    kernel = ctypes.CDLL(str(path))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    kernel.set_new.argtypes, kernel.set_new.restype = (ctypes.c_uint64, ctypes.c_char_p, size), pointer
    kernel.set_free.argtypes, kernel.set_free.restype = (pointer,), None
    kernel.set_add.argtypes, kernel.set_add.restype = (pointer, ctypes.c_char_p, size), ctypes.c_long
    scan = (pointer, pointer, size, ctypes.POINTER(ctypes.c_int64), ctypes.c_long)
    kernel.set_scan.argtypes, kernel.set_scan.restype = scan, ctypes.c_long
    kernel.set_keys.argtypes, kernel.set_keys.restype = (pointer,), ctypes.c_uint64
    kernel.set_bytes.argtypes, kernel.set_bytes.restype = (pointer,), size
    return kernel
