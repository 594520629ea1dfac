"""A real Dask cluster of processes on this machine, whose workers are killed while they work."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inspector.cli.main import main
from inspector.errors import CancelledError, RunError, UnsupportedError
from inspector.evaluate import cluster, shipping
from inspector.evaluate.cluster import Cluster, executor_at
from inspector.progress import StageProgress
from inspector.session.samples import SampleRequest
from inspector.session.search import Budget, SearchRequest, search
from inspector.session.sensitivity import SensitivityRequest, analyse

distributed = pytest.importorskip("distributed")


class Machines:
    """A scheduler and its workers, each a process."""

    def __init__(self, folder: Path) -> None:
        """Starts the scheduler and no worker."""
        self._folder = folder
        self.address = f"tcp://127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", port)
        self.workers: list[subprocess.Popen[bytes]] = []

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", kind, *options, "--no-dashboard"],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        )

    def add_workers(self, count: int) -> None:
        """Starts workers and waits until the scheduler knows them."""
        options = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        self.workers += [self._start("worker", self.address, *options) for _ in range(count)]
        with distributed.Client(self.address, timeout=30, set_as_default=False) as client:
            client.wait_for_workers(len(self.workers), timeout=30)

    def kill_worker(self) -> None:
        """As a machine that loses power."""
        worker = self.workers.pop(0)
        worker.kill()
        worker.wait()

    def close(self) -> None:
        """Ends all of them."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A cluster of two workers; tests that kill one start another."""
    found = Machines(tmp_path_factory.mktemp("cluster"))
    try:
        found.add_workers(2)
        yield found
    finally:
        found.close()


def request_for(folder: Path, runs: int = 4) -> SensitivityRequest:
    """The sensitivity of a small network."""
    data = SampleRequest(folder / "digits_calibration.npz", limit=40)
    return SensitivityRequest(
        folder / "digits_mobile.onnx", data, ways=("both", "rest"), bits=(4,), runs=runs
    )


def once(stage: str, act: Callable[[], None]) -> StageProgress:
    """Acts when a stage is under way, and not done."""
    done: list[int] = []

    def told(now: str, count: int, every: int) -> None:
        if now == stage and count < every and not done:
            done.append(count)
            act()

    return told


@pytest.mark.parametrize("stage", ["calibrate", "measure"])
def test_a_killed_worker_changes_nothing(
    machines: Machines, sample_models: Path, stage: str
) -> None:
    """Killed in the middle; another joins. To the last bit what one machine finds."""
    request = request_for(sample_models)
    here = analyse(request)
    workers = len(machines.workers)
    with executor_at(machines.address) as executor:
        assert isinstance(executor, Cluster)
        assert executor.slots == workers
        progress = once(stage, machines.kill_worker)
        there = analyse(request, executor=executor, progress=progress)
    assert len(machines.workers) == workers - 1
    assert here.rows == there.rows
    assert here.reference == there.reference
    machines.add_workers(1)


def test_a_search_on_a_cluster(machines: Machines, sample_models: Path) -> None:
    """One that loses a worker: the same recipe and the same front; models are uploaded once."""
    data = SampleRequest(sample_models / "digits_calibration.npz", limit=20)
    request = SearchRequest(
        sample_models / "digits_cnn.onnx", data, Budget("mean_bits", 6.0), runs=2
    )
    here = search(request)
    uploaded: list[str] = []
    with executor_at(machines.address) as executor:
        assert isinstance(executor, Cluster)
        scatter = executor._client.scatter

        def counted(content: object, **options: object) -> object:
            if isinstance(content, shipping.Shipment):
                uploaded.append(content.key)
            return scatter(content, **options)

        executor._client.scatter = counted
        progress = once("search", machines.kill_worker)
        there = search(request, executor=executor, progress=progress)
    assert here.recipe == there.recipe
    assert here.front == there.front
    # The models, and what calibrating, measuring and judging need besides.
    assert len(uploaded) >= 4
    models = [key for key in uploaded if "-" in key]
    assert len(models) <= 2  # again where the worker that was killed was the one that had them
    machines.add_workers(1)


def test_the_command_line(
    machines: Machines, sample_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command that can; the figures are those without a cluster."""
    model, data = sample_models / "digits_cnn.onnx", sample_models / "digits_calibration.npz"
    common = [str(model), "--calibration", str(data), "--samples", "16", "--json"]
    commands = {
        "calibrate": ["-o", str(tmp_path / "statistics.npz")],
        "quantize": ["-o", str(tmp_path / "small.onnx")],
        "sensitivity": ["--ways", "both", "--bits", "4", "--runs", "2"],
        "search": ["--mean-bits", "6", "--runs", "2", "-o", str(tmp_path / "mix.toml")],
    }
    for name, options in commands.items():
        results: list[dict[str, object]] = []
        for more in ([], ["--scheduler", machines.address]):
            assert main([name, *common, *options, *more]) == 0
            results.append(json.loads(capsys.readouterr().out))
            del results[-1]["seconds"]
        assert results[0] == results[1], name


def test_a_cancel_frees_the_workers(machines: Machines, sample_models: Path) -> None:
    """The work ends with that error, and they keep nothing of it."""
    stop = threading.Event()
    request, progress = request_for(sample_models, runs=8), once("measure", stop.set)
    with executor_at(machines.address) as executor, pytest.raises(CancelledError):
        analyse(request, executor=executor, progress=progress, cancel=stop.is_set)
    with distributed.Client(machines.address, set_as_default=False) as client:
        kept = client.run(lambda: len(shipping._State.shipments) + len(shipping._State.doers))
    assert set(kept.values()) == {0}


def test_other_versions_are_refused(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is run."""
    monkeypatch.setattr(shipping, "__version__", "0.0.1")
    with (
        pytest.raises(UnsupportedError, match=r"quant-inspector \S+, and this program has .*0\.0"),
        executor_at(machines.address),
    ):
        pass


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error, in seconds: a port without a listener, one that never answers, and no address."""
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        for port in (free_port(), mute.getsockname()[1]):
            address = f"tcp://127.0.0.1:{port}"
            with pytest.raises(RunError, match=f"No Dask scheduler answers at {address}"):
                executor_at(address).__enter__()
    for text in ("nonsense://host:1", "tcp://host:port", "tcp://host", "tcp://h:99999", ""):
        with pytest.raises(UnsupportedError, match="is no address"):
            executor_at(text).__enter__()


def test_a_scheduler_that_dies(
    machines: Machines, sample_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error; this one is last, for the cluster is gone afterwards."""
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1.0)

    def kill() -> None:
        machines.scheduler.kill()
        machines.scheduler.wait()

    with (
        pytest.raises(RunError, match=r"connection to the Dask scheduler .* is lost"),
        executor_at(machines.address) as executor,
    ):
        analyse(request_for(sample_models), executor=executor, progress=once("measure", kill))
