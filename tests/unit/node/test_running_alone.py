import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mithaq.node.supervisor import AlreadyRunning, running_alone

_HOLD = """
import pathlib, sys, time
from mithaq.node.supervisor import running_alone
with running_alone(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_node_is_run_once_at_a_time_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match="runs already"), running_alone(tmp_path):
            pass
        os.kill(other.pid, signal.SIGKILL)
        other.wait(10)
    with running_alone(tmp_path):
        pass
