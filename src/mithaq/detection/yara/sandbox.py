"""What a process that handles hostile bytes gives up for good: privileges, files, network, other programs.

It keeps the descriptors that it has or is sent, memory and processor time within limits, and threads of its own. On
Linux a filter of system calls (seccomp) refuses the rest; elsewhere the limits of resources remain.

Source: Linux `seccomp(2)`, `Documentation/userspace-api/seccomp_filter.rst`; numbers of the kernel's tables.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from typing import Final

_NOBODY: Final = 65534
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_FILTER_MODE: Final = 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_ALLOW: Final = 0x7FFF0000
_EPERM, _ENOSYS = 0x00050001, 0x00050026
_CLONE_THREAD: Final = 0x10000
_X32: Final = 0x40000000

_REFUSED: Final = {
    "x86_64": (
        *(2, 257, 437, 85),  # open, openat, openat2, creat
        *(41, 42, 43, 49, 50, 53, 288),  # socket, connect, accept, bind, listen, socketpair, accept4
        *(57, 58, 59, 322),  # fork, vfork, execve, execveat
        *(62, 101, 310, 311, 424, 434, 438),  # kill, ptrace, process_vm_*, pidfd_*
        *(82, 83, 84, 86, 87, 88, 133, 258, 259, 263, 264, 265, 266, 316),  # rename … mknod, their -at kin
        *(90, 91, 92, 93, 94, 260, 268, 76, 77),  # chmod, chown, truncate
        *(165, 166, 161, 155, 272, 308, 319, 321, 323, 298),  # mount, chroot, unshare, setns, memfd, bpf, perf
        *(425, 426, 427, 248, 249, 250, 304),  # io_uring, keys, open_by_handle_at
    ),
    "aarch64": (
        *(56, 437),
        *(198, 199, 200, 201, 202, 203, 242),
        *(221, 281),
        *(129, 117, 270, 271, 424, 434, 438),
        *(33, 34, 35, 36, 37, 38, 276),
        *(52, 53, 54, 55, 45, 46),
        *(40, 39, 51, 41, 97, 268, 279, 280, 282, 241),
        *(425, 426, 427, 217, 218, 219, 265),
    ),
}
_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_CLONE3: Final = 435


def give_up(memory_bytes: int) -> bool:
    """Give up what this process does not need; tell whether the kernel refuses the rest.

    Raises:
        OSError: the limits could not be set.
    """
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(limit, (value, value))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    return _filter_calls()


def allow_cpu_s(seconds: int) -> None:
    """Let this process run for so much longer on the processor; then the kernel ends it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(usage.ru_utime + usage.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _filter_calls() -> bool:
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _REFUSED:
        return False
    program = b"".join(_program(machine))
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    described = ctypes.create_string_buffer(header, len(header))
    return bool(libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(described), 0, 0) == 0)


def _program(machine: str) -> list[bytes]:
    """Return the filter: a call of another architecture, or one that is listed, fails; a clone only makes threads."""
    refused = sorted(_REFUSED[machine])
    rules = [_step(_LOAD, 0, 0, _ARCH_AT), _step(_EQUAL, 1, 0, _ARCH[machine]), _step(_RETURN, 0, 0, _EPERM)]
    rules += [_step(_LOAD, 0, 0, _NUMBER_AT), _step(_AT_LEAST, 0, 1, _X32), _step(_RETURN, 0, 0, _EPERM)]
    for number in refused:
        rules += [_step(_EQUAL, 0, 1, number), _step(_RETURN, 0, 0, _EPERM)]
    rules += [_step(_EQUAL, 0, 1, _CLONE3), _step(_RETURN, 0, 0, _ENOSYS)]
    rules += [_step(_EQUAL, 1, 0, _CLONE[machine]), _step(_RETURN, 0, 0, _ALLOW)]
    rules += [_step(_LOAD, 0, 0, _FIRST_ARGUMENT_AT), _step(_ANY_BIT, 1, 0, _CLONE_THREAD)]
    return [*rules, _step(_RETURN, 0, 0, _EPERM), _step(_RETURN, 0, 0, _ALLOW)]


def _step(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
