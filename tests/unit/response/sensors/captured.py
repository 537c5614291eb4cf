"""Packets as a capture holds them, written by hand: DNS queries over UDP and IPv4."""

import ipaddress
import struct
from collections.abc import Iterable

_GLOBAL = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)


def dns_queries(names: Iterable[str], *, client: str = "10.0.0.5", server: str = "10.0.0.53") -> bytes:
    """Return a capture (libpcap, Ethernet) in which a client asks for the address of each name, a second apart."""
    packets = [_packet(name, number, client, server) for number, name in enumerate(names)]
    return _GLOBAL + b"".join(
        struct.pack("<IIII", 1_795_000_000 + second, 0, len(packet), len(packet)) + packet
        for second, packet in enumerate(packets)
    )


def _packet(name: str, number: int, client: str, server: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack(">HHHHHH", number + 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    udp = struct.pack(">HHHH", 20_000 + number, 53, 8 + len(question), 0) + question
    ends = ipaddress.ip_address(client).packed + ipaddress.ip_address(server).packed
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), number, 0, 64, 17, 0) + ends
    return b"\x02" * 6 + b"\x04" * 6 + b"\x08\x00" + ip + udp
