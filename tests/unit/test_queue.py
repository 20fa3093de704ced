"""Runs wait for their turn: in order, one at a time, whoever asks, whatever dies."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from engine.runs import locks
from engine.runs.queue import RunQueue


class Machine:
    """A data folder with runs, whose workers are locks that this test holds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, folder / "runs"
        self.runs.mkdir()
        self.started: list[str] = []
        self.at_work: dict[str, int] = {}
        self.queue = RunQueue(folder / "queue", self.runs, self.spawn)

    def add(self, *run_ids: str) -> None:
        for run_id in run_ids:
            (self.runs / run_id).mkdir()
            self.queue.add(run_id)

    def spawn(self, run_id: str) -> None:
        self.started.append(run_id)
        (self.runs / run_id / "log.txt").touch()
        self.at_work[run_id] = locks.hold(self.runs / run_id / "lock")

    def end(self, run_id: str) -> None:
        os.close(self.at_work.pop(run_id))
        (self.runs / run_id / "events.jsonl").touch()
        self.queue.advance()


def test_runs_start_in_order_one_at_a_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add("a", "b", "c")
    assert (machine.started, machine.queue.waiting()) == (["a"], ["b", "c"])
    machine.queue.advance()
    assert machine.started == ["a"]
    machine.end("a")
    assert (machine.started, machine.queue.waiting()) == (["a", "b"], ["c"])
    machine.end("b")
    machine.end("c")
    assert (machine.started, machine.queue.waiting()) == (["a", "b", "c"], [])


def test_waiting_runs_change_places_and_leave(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add("a", "b", "c", "d")
    machine.queue.move_up("d")
    assert machine.queue.waiting() == ["b", "d", "c"]
    machine.queue.move_up("b")  # the first stays
    assert machine.queue.remove("d") and not machine.queue.remove("a")
    assert machine.queue.waiting() == ["b", "c"]


def test_a_run_that_was_deleted_is_passed_over(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add("a", "b", "c")
    (machine.runs / "b").rmdir()
    machine.end("a")
    assert machine.started == ["a", "c"]


def test_another_process_sees_the_same_queue_and_goes_on_with_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add("a", "b", "c")
    os.close(machine.at_work.pop("a"))  # it ended while nobody looked
    (machine.runs / "a" / "events.jsonl").touch()
    program = (
        "import sys; from pathlib import Path; from engine.runs.queue import RunQueue\n"
        "folder = Path(sys.argv[1])\n"
        "queue = RunQueue(folder / 'queue', folder / 'runs', lambda run_id: print('started', run_id))\n"
        "queue.advance(); print(queue.waiting())"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["started b", "['c']"]


def test_a_process_that_died_while_it_started_a_run_neither_loses_nor_repeats_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add("a")
    (machine.runs / "b").mkdir()
    (machine.runs / "c").mkdir()
    for number, run_id in enumerate(["b", "c"]):
        (tmp_path / "queue" / "waiting" / f"{number:020d} {run_id}").touch()
    (machine.runs / "b" / "log.txt").touch()  # its worker was started, and its place was not yet given up
    machine.end("a")
    assert (machine.started, machine.queue.waiting()) == (["a", "c"], [])


def test_many_at_once_start_one(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    for name in "abcdefgh":
        (machine.runs / name).mkdir()
    threads = [threading.Thread(target=machine.queue.add, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(machine.started) == 1 and len(machine.queue.waiting()) == 7
