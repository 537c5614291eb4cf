"""Packet captures: read by an installed Zeek or Suricata, in a folder and a process of their own, with limits.

The capture is hostile and its readers are large. They see a copy of it and an empty folder, run as nobody and without
a network where this may be arranged, and are ended when they take too long.

Source: Suricata user guide, "Command Line Options", "Eve JSON Output", "File-store"; Zeek, `zeek --help`.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mithaq.telemetry.errors import PcapUnreadable
from mithaq.telemetry.settings import TelemetryLimits

ENGINES: Final = ("zeek", "suricata")
_MAGIC: Final = frozenset(
    bytes.fromhex(each) for each in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "0a0d0d0a")
)  # PCAP in both orders and with nanoseconds, PCAPNG
_HEAD_BYTES: Final = 24
_COPY: Final = "capture.pcap"
_SUFFIX: Final = ".log"
_NOBODY: Final = 65534
_CLONE_NEWNET: Final = 0x40000000
_SAID_CHARS: Final = 300

_SURICATA: Final = """%YAML 1.1
---
stats: {enabled: no}
logging:
  default-log-level: warning
  outputs: [{console: {enabled: yes}}]
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types:
        - dns
        - http: {extended: yes}
        - tls: {extended: yes}
        - files: {force-magic: no, force-hash: [md5, sha1, sha256]}
        - smtp
        - ssh
        - flow
        - anomaly
  - file-store:
      version: 2
      enabled: yes
      dir: filestore
      write-fileinfo: yes
      force-filestore: yes
      stream-depth: 16mb
app-layer:
  protocols:
    tls: {enabled: yes, ja3-fingerprints: yes, ja4-fingerprints: yes, detection-ports: {dp: 443}}
    http: {enabled: yes, libhtp: {default-config: {response-body-limit: 16mb, request-body-limit: 16mb}}}
    dns: {tcp: {enabled: yes, detection-ports: {dp: 53}}, udp: {enabled: yes, detection-ports: {dp: 53}}}
    smtp: {enabled: yes, mime: {decode-mime: yes, decode-base64: yes, decode-quoted-printable: yes}}
    ssh: {enabled: yes}
    http2: {enabled: yes}
    ftp: {enabled: yes}
    smb: {enabled: yes, detection-ports: {dp: "139, 445"}}
"""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was read of a capture: lines of logs, and files that went over the wire; both end with their folder."""

    engine: str
    logs: tuple[Path, ...]
    files: tuple[Path, ...]

    def pieces(self, max_bytes: int) -> Iterator[bytes]:
        """Yield the lines of all logs, whole ones, so many bytes at once; each says which log of Zeek it is of."""
        for path in self.logs:
            log = path.name.removesuffix(_SUFFIX).encode()
            with path.open("rb") as file:
                while lines := file.readlines(max_bytes // 4):
                    yield b"".join(lines if self.engine != "zeek" else (_of_log(log, line) for line in lines))


@contextmanager
def analysed(capture: Path, engine: str | None, limits: TelemetryLimits) -> Iterator[Analysis]:
    """Read a capture, by default with whichever engine is installed.

    Raises:
        PcapUnreadable: no engine is installed, it is no capture or too large, or the engine failed.
    """
    name, program = _engine(engine)
    with tempfile.TemporaryDirectory(prefix="mithaq-pcap-") as made:
        folder = Path(made)
        _copy(capture, folder / _COPY, limits.max_pcap_bytes)
        _run(name, program, folder, limits)
        logs = sorted(path for path in folder.iterdir() if path.name == "eve.json" or path.suffix == _SUFFIX)
        yield Analysis(name, tuple(each for each in logs if _is_file(each)), tuple(_files(folder, limits.pcap_files)))


def _engine(wanted: str | None) -> tuple[str, str]:
    for name in ENGINES if wanted is None else (wanted,):
        program = shutil.which(name)
        if program is not None:
            return name, program
    missing = " or ".join(ENGINES) if wanted is None else wanted
    raise PcapUnreadable("reading packets needs %(engine)s, which is not installed here", engine=missing)


def _copy(capture: Path, copy: Path, max_bytes: int) -> None:
    try:
        with capture.open("rb") as source, copy.open("xb") as target:
            head = source.read(_HEAD_BYTES)
            if len(head) < _HEAD_BYTES or head[:4] not in _MAGIC:  # at half a header Suricata waits for a minute
                raise PcapUnreadable("it is no packet capture (PCAP or PCAPNG)", subject=str(capture))
            if os.fstat(source.fileno()).st_size > max_bytes:
                raise PcapUnreadable("larger than the limit of %(max)s bytes", subject=str(capture), max=max_bytes)
            source.seek(0)
            shutil.copyfileobj(source, target, 1 << 20)
    except OSError as error:
        detail = os.strerror(error.errno) if error.errno else str(error)
        raise PcapUnreadable("%(detail)s", subject=str(capture), detail=detail) from error


def _run(name: str, program: str, folder: Path, limits: TelemetryLimits) -> None:
    if name == "suricata":
        (folder / "suricata.yaml").write_text(_SURICATA)
        (folder / "none.rules").touch()
        options = [
            "-c",
            "suricata.yaml",
            "-S",
            "none.rules",
            "-r",
            _COPY,
            "-l",
            ".",
            "--runmode",
            "single",
            "-k",
            "none",
        ]
    else:
        options = ["-C", "-r", _COPY, "LogAscii::use_json=T", "frameworks/files/extract-all-files"]
    budget = (str(limits.pcap_memory_bytes), str(limits.pcap_cpu_s), str(limits.pcap_log_bytes))
    _give(folder)
    said = folder / "said"
    with said.open("wb") as output:
        try:
            done = subprocess.run(  # noqa: S603 - an installed engine, on a copy
                [sys.executable, "-I", str(Path(__file__).resolve()), *budget, program, *options],
                cwd=folder,
                env={"HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=limits.pcap_wall_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PcapUnreadable(
                "%(engine)s took longer than %(max)s seconds", engine=name, max=limits.pcap_wall_s
            ) from error
    if done.returncode != 0:
        detail = said.read_bytes()[-2_000:].decode("utf-8", "replace").strip().rpartition("\n")[2][:_SAID_CHARS]
        raise PcapUnreadable("%(engine)s failed on it: %(detail)s", engine=name, detail=detail or str(done.returncode))


def _give(folder: Path) -> None:
    """Let nobody own what the engine works on, where this process may say so."""
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, _NOBODY, _NOBODY)


def _files(folder: Path, most: int) -> Iterator[Path]:
    """Yield the files that were taken out of the packets."""
    count = 0
    for place in ("extract_files", "filestore"):
        for path in sorted((folder / place).rglob("*")):
            if _is_file(path) and path.suffix != ".json" and path.parent.name != "tmp" and count < most:
                count += 1
                yield path


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _of_log(log: bytes, line: bytes) -> bytes:
    return b'{"_path":"%b",%b' % (log, line[1:]) if line.startswith(b'{"') else line


def main(argv: list[str]) -> None:
    """Become an engine within limits: memory and processor time, the size of what it writes, and then its command."""
    memory_bytes, cpu_s, file_bytes = (int(argument) for argument in argv[:3])
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    if os.geteuid() == 0:
        ctypes.CDLL(None).unshare(
            _CLONE_NEWNET
        )  # where it is not permitted, the engine has a network and no use for it
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    os.execv(argv[3], argv[3:])  # noqa: S606 - no shell is meant


if __name__ == "__main__":
    main(sys.argv[1:])
