"""A packet capture, written here packet by packet, is read by a real engine."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest

from mithaq.telemetry.errors import PcapUnreadable
from mithaq.telemetry.pcap import ENGINES, analysed
from mithaq.telemetry.settings import TelemetryLimits

CLIENT, SERVER, RESOLVER = (bytes((10, 0, 0, 9)), bytes((192, 0, 2, 1)), bytes((192, 0, 2, 53)))
BODY = b"harmless, but taken out of the packets"


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(source: bytes, destination: bytes, protocol: int, segment: bytes) -> bytes:
    """An Ethernet frame with an IPv4 packet (RFC 791)."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, protocol, 0) + source + destination
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + head + segment


def dns_query(name: str) -> bytes:
    """A question for an address (RFC 1035), over UDP."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    message = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)
    return packet(CLIENT, RESOLVER, 17, struct.pack("!4H", 40000, 53, 8 + len(message), 0) + message)


def http_exchange(host: str) -> list[bytes]:
    """A connection with one request and one response (RFC 9293, RFC 9112)."""
    request = f"GET /a.bin HTTP/1.1\r\nHost: {host}\r\nUser-Agent: test\r\n\r\n".encode()
    response = (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/octet-stream\r\n\r\n" % len(BODY) + BODY
    )
    one, two = 1000, 5000
    steps = [
        (True, one, 0, 2, b""),
        (False, two, one + 1, 18, b""),
        (True, one + 1, two + 1, 16, b""),
        (True, one + 1, two + 1, 24, request),
        (False, two + 1, one + 1 + len(request), 24, response),
        (True, one + 1 + len(request), two + 1 + len(response), 17, b""),
        (False, two + 1 + len(response), one + 2 + len(request), 17, b""),
        (True, one + 2 + len(request), two + 2 + len(response), 16, b""),
    ]
    frames = []
    for outward, sequence, acknowledged, flags, payload in steps:
        ports = (40001, 80) if outward else (80, 40001)
        segment = struct.pack("!HHIIBBHHH", *ports, sequence, acknowledged, 0x50, flags, 8192, 0, 0) + payload
        ends = (CLIENT, SERVER) if outward else (SERVER, CLIENT)
        frames.append(packet(*ends, 6, segment))
    return frames


def write_pcap(path: Path, frames: list[bytes]) -> None:
    body = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, frame in enumerate(frames):
        body += struct.pack("<IIII", 1_700_000_000, number * 1000, len(frame), len(frame)) + frame
    path.write_bytes(body)


@pytest.mark.parametrize("engine", [each for each in ENGINES if each != "zeek" or shutil.which(each)])
def test_names_and_files_in_the_packets_are_found(engine: str, tmp_path: Path) -> None:
    """Debian has no package of Zeek: it is asked where somebody has installed it."""
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed here")
    capture = tmp_path / "capture.pcap"
    write_pcap(capture, [dns_query("evil.example"), *http_exchange("files.evil.example")])
    with analysed(capture, engine, TelemetryLimits()) as analysis:
        lines = b"".join(analysis.pieces(1 << 20)).splitlines()
        bodies = [path.read_bytes() for path in analysis.files]
    assert all(json.loads(line) for line in lines)
    assert any(b"evil.example" in line and b"dns" in line for line in lines)
    assert any(b"files.evil.example" in line for line in lines)
    assert bodies == [BODY]
    assert not analysis.logs[0].exists()


@pytest.mark.parametrize(
    ("body", "engine", "told"),
    [
        (b"", None, "it is no packet capture"),
        (b"\xd4\xc3\xb2\xa1" + b"x" * 5, None, "it is no packet capture"),
        (b"\xd4\xc3\xb2\xa1" + b"\0" * 50, None, "failed on it"),
        (b"\xd4\xc3\xb2\xa1", "tshark", "reading packets needs tshark, which is not installed here"),
        (b"\xd4\xc3\xb2\xa1" + b"\0" * 200, None, "larger than the limit of 100 bytes"),
    ],
)
def test_what_cannot_be_read_is_told(body: bytes, engine: str | None, told: str, tmp_path: Path) -> None:
    if engine != "tshark" and not any(map(shutil.which, ENGINES)):
        pytest.skip("neither Zeek nor Suricata is installed here")
    (tmp_path / "bad.pcap").write_bytes(body)
    limits = TelemetryLimits(max_pcap_bytes=100, pcap_memory_bytes=1 << 20)
    with pytest.raises(PcapUnreadable, match=told), analysed(tmp_path / "bad.pcap", engine, limits):
        pass
