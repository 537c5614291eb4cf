"""What a worker writes: lines of JSON."""

import json
import sys
from typing import Any


def write(value: dict[str, Any]) -> None:
    """Write one line."""
    sys.stdout.buffer.write(json.dumps(value).encode("ascii") + b"\n")
    sys.stdout.buffer.flush()
