"""Take the compiled form where it was compiled, else the portable one, and say which."""

import logging
from functools import cache
from typing import Literal

from mithaq.detection.prefilter.compiled import CompiledPrefilter, is_compiled
from mithaq.detection.prefilter.model import Prefilter

_log = logging.getLogger(__name__)


def prefilter(form: Literal["best", "portable"] = "best") -> Prefilter:
    """Return an empty set in the best form that this installation has, or in the portable one."""
    if form == "best":
        if is_compiled():
            return CompiledPrefilter()
        warn()
    from mithaq.detection.prefilter.portable import PortablePrefilter  # needs NumPy

    return PortablePrefilter()


@cache
def warn() -> None:
    """Say once in a process that it detects the slower way."""
    _log.warning(
        "the compiled prefilter is missing, detection uses the slower portable one; with a C compiler installed,"
        " `python -m mithaq.detection.prefilter.build` makes it"
    )
