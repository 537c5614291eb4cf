"""The limits of telemetry, with their units."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TelemetryLimits:
    """How much is taken at once; a line or body beyond it is refused, never cut."""

    max_line_bytes: int = 1 << 20
    max_push_bytes: int = 32 << 20
    max_spool_bytes: int = 4 << 30
    spool_segment_bytes: int = 256 << 20
    read_bytes: int = 2 << 20  # above max_line_bytes, so that a line of that length fits
    check_bytes: int = 64 << 10  # a larger chunk is scanned and kept; its broken lines are told when it is sealed
    segment_bytes: int = 256 << 20
    segment_age_s: int = 3600
    broken_lines_kept: int = 1000
    rotated_grace_s: int = 10
    idle_file_s: int = 3600
    """A file of a folder that has not changed for so long is closed; it is taken up again when it grows."""

    cut_file_s: int = 60
    """A compressed file that ends too early and has not grown for so long is read as far as it goes, and told."""

    max_open_files: int = 256
    max_expanded_bytes: int = 64 << 30
    syslog_connections: int = 1024
    syslog_sender_connections: int = 64
    syslog_sender_bytes_s: int = 32 << 20
    evtx_memory_bytes: int = 2 << 30
    evtx_cpu_s: int = 600
    max_pcap_bytes: int = 4 << 30
    pcap_memory_bytes: int = 4 << 30
    pcap_cpu_s: int = 1200
    pcap_wall_s: int = 1800
    pcap_log_bytes: int = 4 << 30
    """Of one log that is written of a PCAP."""

    pcap_files: int = 10_000
    """Files that are taken out of one PCAP."""
