"""What a confined worker does first and last: limit itself, and write lines of JSON."""

import json
import logging
import resource
import sys
from typing import Any


def limit(memory_bytes: int, cpu_s: int) -> None:
    """Limit this process for good."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    logging.disable(logging.CRITICAL)


def write(value: dict[str, Any]) -> None:
    """Write one line."""
    sys.stdout.buffer.write(json.dumps(value).encode("ascii") + b"\n")
    sys.stdout.buffer.flush()
