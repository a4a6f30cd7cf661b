import os
import subprocess
import sys
import threading

import pytest

from caloforge.data.files.chunk_threads import Queue, Threads, _quota, default_threads
from caloforge.errors import ConfigError


class TestDefault:
    def test_is_what_the_process_may_use(self):
        # Of all cores, this process may use one.
        script = (
            "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
            "from caloforge.data.files.chunk_threads import default_threads; "
            "print(default_threads())"
        )
        environment = {k: v for k, v in os.environ.items() if k != "CALOFORGE_THREADS"}
        answer = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, check=True
        )
        assert answer.stdout.strip() == b"1"

    def test_environment_overrides(self, monkeypatch):
        monkeypatch.setenv("CALOFORGE_THREADS", "13")
        assert default_threads() == Threads().number == 13
        assert Threads(2).number == 2
        monkeypatch.delenv("CALOFORGE_THREADS")
        assert 1 <= default_threads() <= 8

    @pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5"])
    def test_wrong_environment(self, monkeypatch, wrong):
        monkeypatch.setenv("CALOFORGE_THREADS", wrong)
        with pytest.raises(ConfigError, match=f"CALOFORGE_THREADS: found '{wrong}', expected"):
            default_threads()

    @pytest.mark.parametrize(
        ("text", "cores"),
        [("400000 100000\n", 4), ("50000 100000", 1), ("max 100000", sys.maxsize), ("", None)],
    )
    def test_quota_of_a_container(self, tmp_path, text, cores):
        (tmp_path / "cpu.max").write_text(text)
        assert _quota(tmp_path / "cpu.max") == (cores or sys.maxsize)
        assert _quota(tmp_path / "none") == sys.maxsize


@pytest.mark.parametrize("number", [1, 2, 5])
class TestQueue:
    def test_results_come_in_order(self, number):
        results = []
        threads, wait = Threads(number), threading.Event()
        queue = Queue(threads, results.append)
        for k in range(200):
            queue.add(lambda k=k: (wait.wait(0.002 if k % 7 == 0 else 0), k)[1])
        queue.finish()
        threads.close()
        assert results == list(range(200))

    def test_only_a_few_are_under_way(self, number):
        begun, taken, most = [], [], 4 * number
        threads = Threads(number)
        queue = Queue(threads, taken.append, most)
        for k in range(100):
            queue.add(begun.append, k)
            assert k - len(taken) < max(most, 2 * number)
        queue.finish()
        threads.close()
        assert sorted(begun) == list(range(100))
        assert len(taken) == 100

    def test_a_failure_comes_to_the_caller(self, number):
        threads = Threads(number)
        queue = Queue(threads, lambda _: None)
        queue.add(int, "3")
        queue.add(int, "three")
        with pytest.raises(ValueError, match="three"):
            queue.finish()
        threads.close()

    def test_work_goes_on_after_closing(self, number):
        threads = Threads(number)
        assert threads.submit(int, "3").result() == 3
        threads.close()
        assert threads.submit(int, "4").result() == 4
        threads.close()
