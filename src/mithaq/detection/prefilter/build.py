"""Compile the kernel where there is a C compiler: `python -m mithaq.detection.prefilter.build`.

The library lies beside its sources under a name that has their digest in it, so a library of other sources is never
loaded. It is not looked for in folders that others may write to: what it contains runs in the detector.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mithaq.detection.prefilter.fold import VERSION, fold_table

FOLDER: Final = Path(__file__).parent
NATIVE: Final = FOLDER / "native"
FLAGS: Final = ("-O3", "-std=c11", "-fPIC", "-shared", "-fvisibility=hidden")


def library() -> Path:
    """Return where the compiled kernel of these sources lies, if it was compiled."""
    digest = hashlib.sha256(repr((FLAGS, VERSION, platform.machine(), sysconfig.get_platform())).encode())
    for source in sorted(NATIVE.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return FOLDER / f"kernel-{digest.hexdigest()[:16]}.so"


def fold_file() -> Path:
    """Return where the table of characters lies, which is written with the kernel."""
    return FOLDER / f"kernel-fold-{VERSION}-{sys.byteorder}.bin"


def compiler() -> str | None:
    """Return the C compiler to use: `CC`, or the first that is found."""
    return os.environ.get("CC") or next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def compile_kernel(target: Path, flags: Sequence[str] = FLAGS, source: Path = NATIVE / "kernel.c") -> None:
    """Compile a source, complete or not at all.

    Raises:
        OSError: there is no compiler, or the place cannot be written to.
        subprocess.CalledProcessError: the compiler refused; its words are in `stderr`.
    """
    command = compiler()
    if command is None:
        raise FileNotFoundError("no C compiler (cc, gcc, clang) was found")
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        line = [*command.split(), *flags, f"-I{NATIVE}", str(source), "-o", str(temporary)]
        subprocess.run(line, check=True, capture_output=True, text=True)  # noqa: S603
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def main() -> int:
    """Bring the library up to date, and say so plainly when that cannot be."""
    target, fold = library(), fold_file()
    try:
        if not fold.exists():
            temporary = fold.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_bytes(fold_table())
            temporary.replace(fold)
        if not target.exists():
            compile_kernel(target)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        sys.stderr.write(f"notice: the detector will use its portable, slower form: {reason.strip()}\n")
        return 0
    for old in [*FOLDER.glob("kernel-*.so"), *FOLDER.glob("kernel-fold-*.bin")]:
        if old not in {target, fold}:
            old.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
