"""Start the hunter as a process of its own."""

import os
import subprocess
import sys
from typing import BinaryIO

import msgspec

from mithaq.detection.hunts.unsealed import LaunchHunter


class HunterOrder(msgspec.Struct, frozen=True):
    """What a hunter must know; it goes through a pipe, since a database address may hold a password."""

    database: str
    data: str
    run_dir: str
    cache: str

    @staticmethod
    def read(pipe: BinaryIO) -> "HunterOrder":
        """Read the order of the process that started this one."""
        return msgspec.json.decode(pipe.read(), type=HunterOrder)


def hunter_launcher(order: HunterOrder) -> LaunchHunter:
    """Return the function that starts a hunter with this order."""

    def launch() -> "subprocess.Popen[bytes]":
        readable, writable = os.pipe()
        try:
            os.write(writable, msgspec.json.encode(order))  # far below what a pipe holds
        finally:
            os.close(writable)
        try:
            command = (sys.executable, "-m", "mithaq.detection.hunts.hunter")
            return subprocess.Popen(command, stdin=readable, stdout=subprocess.DEVNULL)  # noqa: S603
        finally:
            os.close(readable)

    return launch
