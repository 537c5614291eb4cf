import threading
from datetime import datetime
from pathlib import Path

from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.notify import forward_notifications
from mithaq.kernel.wake import WakeListener, Waker


def test_a_commit_on_one_machine_wakes_the_readers_of_another(postgres_url: str, tmp_path: Path, at: datetime) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    writer, reader = Database.open(postgres_url, run_dir=here), Database.open(postgres_url, run_dir=there)
    stop = threading.Event()
    bridge = threading.Thread(target=forward_notifications, args=(reader, Waker(there), stop))
    with (
        WakeListener(there, "mine", ["a.b"]) as mine,
        WakeListener(there, "other", ["c.d"]) as other,
        WakeListener(here, "own", ["a.b"]) as own,
    ):
        bridge.start()
        woken = False
        for _ in range(20):  # the first commits may come before the bridge listens
            with writer.write(at) as tx:
                tx.append("a.b", subject="x", lane=ACTUAL, actor="node")
            woken = mine.wait(0.5)
            if woken:
                break
        assert woken
        assert own.wait(0)
        assert not other.wait(0)
        stop.set()
        bridge.join(5)
    writer.close()
    reader.close()
