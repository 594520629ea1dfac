"""A Dask cluster as an executor: other machines do part of the work.

A task is sent with the keys of its kit alone. A worker that has not got the kit says so, is sent it
once, from the worker that got it before where there is one, and keeps it. So workers may come and
go: who is new is supplied, and tasks of who is gone are done by others.

Source: the documentation of Dask.distributed (Client.submit, scatter and run; resilience).
"""

from __future__ import annotations

import logging
import pickle
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from inspector.errors import InspectorError, RunError, UnsupportedError
from inspector.evaluate.parallel import LostError, Remote
from inspector.evaluate.shipping import (
    Missing,
    Shipment,
    abandon,
    keep,
    perform,
    perform_kept,
    refuse_others,
    versions,
)

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as DaskFuture

CONNECT_SECONDS = 5.0
"""A scheduler that does not answer within this time is not there."""
PATIENCE_SECONDS = 20.0
"""So long a cluster may be without workers: those that were lost may be started again."""

_ADDRESS = re.compile(
    r"(?:(?P<scheme>tcp|tls|ws|wss)://)?(?P<host>[^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})/?"
)
_LOOK_SECONDS = 2.0
_MOST_SUPPLIES = 8
_LARGE = 1 << 20
"""Tasks of so many bytes are sent beside Dask's own message, which is meant for small ones."""


@contextmanager
def executor_at(address: str | None) -> Iterator[Executor | None]:
    """The cluster whose scheduler has an address, for as long as the block lasts.

    Args:
        address: such as "tcp://host:8786" or "tls://host:8786"; None gives None: this machine.

    Raises:
        UnsupportedError: Dask is not installed here, the address is none, or other versions of what
            figures depend on are installed on the cluster.
        RunError: no scheduler answers within some seconds, or it has no workers.
    """
    if address is None:
        yield None
        return
    client = _client(address)
    try:
        _check(client, address)
        cluster = Cluster(client, address)
        try:
            yield cluster
        finally:
            cluster.shutdown()
    finally:
        client.close(timeout=CONNECT_SECONDS)


def check_address(text: str) -> str:
    """An address as the user wrote it, without what stands around it.

    Raises:
        UnsupportedError: it is none.
    """
    text = text.strip()
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 1 << 16:
        raise UnsupportedError(
            f"{text!r} is no address of a Dask scheduler.",
            "Write it as tcp://HOST:PORT, such as tcp://192.168.1.5:8786.",
        )
    return text


def _client(address: str) -> Client:
    address = check_address(address)
    try:
        from distributed import Client
    except ImportError as error:
        raise UnsupportedError(
            "Work on a cluster needs Dask, which is not installed here.",
            "Install it with: pip install 'quant-inspector[distributed]'",
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what fails is told by an error
    try:
        _greet(address)
        return Client(
            address, timeout=CONNECT_SECONDS, set_as_default=False, name="quant-inspector"
        )
    except (OSError, TimeoutError) as error:
        raise RunError(
            f"No Dask scheduler answers at {address}.",
            "Start one with `dask scheduler`, and check the address and the firewall.",
        ) from error
    except (ValueError, RuntimeError) as error:  # certificates, for example
        raise UnsupportedError(
            f"The Dask scheduler {address} cannot be used: {error}.", "Check Dask's settings."
        ) from error


def _greet(address: str) -> None:
    """Raises OSError unless something at the other end speaks first, as a scheduler does.

    Dask's client waits for that word without an end. With TLS it has its own bound.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or found["scheme"] not in (None, "tcp"):
        return
    place = found["host"].strip("[]"), int(found["port"])
    with socket.create_connection(place, CONNECT_SECONDS) as connection:
        if not connection.recv(1):
            raise OSError("it hung up")


def _check(client: Client, address: str) -> None:
    """Refuse a cluster on which figures would not be the same."""
    with _told(address):
        theirs: Mapping[str, Any] = client.run(versions, on_error="return")
        of_scheduler = _result_of(lambda: client.run_on_scheduler(versions))
    if not theirs:
        raise RunError(
            f"The cluster at {address} has no workers.", f"Start one with `dask worker {address}`."
        )
    found = {f"The scheduler {address}": of_scheduler}
    found |= {f"The worker {worker}": one for worker, one in theirs.items()}
    for who, one in found.items():
        if isinstance(one, ImportError):
            raise UnsupportedError(
                f"{who} does not have quant-inspector: {one}.",
                "Install 'quant-inspector[distributed]' there, and start it again.",
            )
        if isinstance(one, Exception):
            raise RunError(f"{who} does not answer: {one}.", "Start it again.")
        refuse_others(versions(), one, who)


def _result_of(ask: Callable[[], Any]) -> Any:
    """What it gives, or the error that the other side raised."""
    try:
        return ask()
    except ImportError as error:
        return error


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Turns errors of the connection into one that a user understands."""
    from distributed.client import ClosedClientError

    try:
        yield
    except (OSError, TimeoutError, ClosedClientError) as error:
        raise _gone(address) from error


def _gone(address: str) -> RunError:
    return RunError(
        f"The connection to the Dask scheduler {address} is lost.",
        "Start the scheduler again; what was found so far is kept where a file was given.",
    )


def _perform(models: str, rest: str, task: bytes, asked: Mapping[str, str], *_: Any) -> Any:
    """Do a task on a worker, after what else is named; what is missing is told with its address."""
    from distributed import get_worker

    found = perform_kept(models, rest, pickle.loads(task), asked)
    return _Miss(get_worker().address, found.keys) if isinstance(found, Missing) else found


@dataclass(frozen=True, slots=True)
class _Miss:
    worker: str
    keys: tuple[str, ...]


@dataclass(slots=True)
class _Job:
    """A task under way.

    Attributes:
        kit: what it needs, by key: the models, then the rest.
        task: pickled.
        asked: the versions of this program.
        answer: takes the result.
        waited: for what it has waited: (worker, key).
    """

    kit: dict[str, Shipment[Any]]
    task: bytes
    asked: Mapping[str, str]
    answer: Future[Any]
    waited: list[tuple[str, str]] = field(default_factory=list)


class Cluster(Remote):
    """The workers of a Dask scheduler; made by `executor_at`. Safe to use from any thread."""

    def __init__(self, client: Client, address: str) -> None:
        """Wraps a client that is connected."""
        self._client, self._address = client, address
        self._scattered: dict[str, DaskFuture] = {}
        self._sent: dict[tuple[str, str], DaskFuture] = {}
        self._lock = threading.RLock()
        self._looked = self._alive = time.monotonic()

    @property
    def slots(self) -> int:
        """How many tasks its workers run at a time now."""
        with _told(self._address):
            threads: Mapping[str, int] = self._client.nthreads()
        return max(sum(threads.values()), 1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function on some worker.

        Raises:
            RunError: the scheduler is gone.
        """
        answer: Future[Any] = Future()
        with _told(self._address):
            if fn is not perform:
                future = self._client.submit(fn, *args, pure=False, **kwargs)
                self._watch(future, answer, partial(_give, answer))
                return answer
            models, rest, task, asked = args
            kit = {models.key: models, rest.key: rest}
            self._start(_Job(kit, pickle.dumps(task, protocol=5), asked, answer), [])
        return answer

    def check(self) -> None:
        """See `Remote`; also refuses to wait for workers that do not come back."""
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        with suppress(RunError):  # it is told below, once it has lasted
            if self._client.status == "running" and self._has_workers():
                self._alive = now
        if self._client.status != "running" and now - self._alive > CONNECT_SECONDS:
            raise _gone(self._address)
        if now - self._alive > PATIENCE_SECONDS:
            raise RunError(
                f"The cluster at {self._address} has lost all its workers.",
                f"Start some with `dask worker {self._address}`.",
            )

    def abandon(self, key: str) -> None:
        """See `Remote`."""
        with self._lock:
            self._scattered.pop(key, None)
            for sent in [sent for sent in self._sent if sent[1] == key]:
                del self._sent[sent]
        with suppress(InspectorError), _told(self._address):
            if self._client.status == "running":
                self._client.run(abandon, key, on_error="ignore")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Have the workers forget all that they were sent."""
        for key in list(self._scattered):
            self.abandon(key)

    def _has_workers(self) -> bool:
        with _told(self._address):
            return bool(self._client.nthreads())

    # One task ---------------------------------------------------------------------------------

    def _start(self, job: _Job, after: list[DaskFuture], worker: str | None = None) -> None:
        task: Any = job.task
        if len(task) > _LARGE:
            task = self._client.scatter(task, hash=False)
        where = {} if worker is None else {"workers": [worker], "allow_other_workers": True}
        future = self._client.submit(
            _perform, *job.kit, task, job.asked, *after, pure=False, **where
        )
        self._watch(future, job.answer, partial(self._take, job))

    def _watch(self, future: DaskFuture, answer: Future[Any], take: Callable[[Any], None]) -> None:
        """Have a result taken, or an error told, in a thread of Dask's."""

        def done(future: DaskFuture) -> None:
            try:
                take(self._outcome(future))
            except BaseException as error:  # it belongs to who waits for the answer
                if answer.set_running_or_notify_cancel():
                    answer.set_exception(error)

        def ended(answer: Future[Any]) -> None:
            if answer.cancelled():
                with suppress(InspectorError), _told(self._address):
                    future.cancel()

        answer.add_done_callback(ended)
        future.add_done_callback(done)

    def _outcome(self, future: DaskFuture) -> Any:
        """The result; raises what the task raised, or LostError."""
        from distributed import KilledWorker

        if future.status == "finished":
            try:
                return future.result()
            except Exception as error:  # on its way here: the task itself has done its work
                raise LostError from error
        if future.status != "error":
            raise LostError
        failure = future.exception()
        if isinstance(failure, KilledWorker):
            raise RunError(
                f"Workers of {self._address} ended again and again over the same task.",
                "It may need more memory than they have.",
            ) from failure
        if isinstance(failure, ImportError):
            raise UnsupportedError(
                f"A worker of {self._address} does not have quant-inspector: {failure}.",
                "Install 'quant-inspector[distributed]' there, and start it again.",
            ) from failure
        raise failure

    def _take(self, job: _Job, found: Any) -> None:
        if not isinstance(found, _Miss):
            _give(job.answer, found)
            return
        if len(job.waited) > _MOST_SUPPLIES:
            raise RunError(
                f"The workers of {self._address} do not keep what they are sent.",
                "Too many programs may be using them at once.",
            )
        if not job.answer.cancelled():
            with _told(self._address):
                after = [self._supply(found.worker, key, job) for key in found.keys]
                self._start(job, after, found.worker)

    def _supply(self, worker: str, key: str, job: _Job) -> DaskFuture:
        """Send something to a worker, unless it is on its way or has arrived meanwhile."""
        at = worker, key
        with self._lock:
            sent = self._sent.get(at)
            if sent is None or at in job.waited or sent.status not in ("pending", "finished"):
                scattered = self._scattered.get(key)
                if scattered is None or scattered.status != "finished":
                    scattered = self._client.scatter(job.kit[key], hash=False)
                    self._scattered[key] = scattered
                # Should the worker be gone by now, another may keep it; the task then tells where.
                sent = self._client.submit(
                    keep, scattered, pure=False, workers=[worker], allow_other_workers=True
                )
                self._sent[at] = sent
        job.waited.append(at)
        return sent


def _give(answer: Future[Any], found: Any) -> None:
    if answer.set_running_or_notify_cancel():
        answer.set_result(found)
