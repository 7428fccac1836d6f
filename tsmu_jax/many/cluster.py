"""Workers of dask.distributed: here, one a device, or wherever a scheduler has them. One file alone imports dask."""

import contextlib
import http.client
import importlib.util
import logging
import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dask
from distributed import (
    CancelledError,
    Client,
    KilledWorker,
    Nanny,
    Scheduler,
    SpecCluster,
    WorkerPlugin,
    as_completed,
    get_worker,
)
from distributed.comm.core import CommClosedError

from tsmu_jax import __version__, machine
from tsmu_jax.errors import UserError
from tsmu_jax.many import work
from tsmu_jax.many.work import Done, Task

FLAG = "--scheduler"
_CONNECT_SECONDS = 20.0
_PAGE_SECONDS = 5.0  # for the dashboard, which draws itself when it is first asked for
_BATCH = 1000  # scenes that are handed over at once
_HOST = "127.0.0.1"  # whoever reaches a scheduler can run programs
_DEVICES = "import jax; print(jax.default_backend(), jax.local_device_count())"


class OneModel(WorkerPlugin):
    """Opens the model when a worker starts, and keeps it."""

    def __init__(self, path: Path, digest: str, *, ours: bool) -> None:
        """Describes the model.

        Args:
          path: of the model, where all workers see it.
          digest: of the model.
          ours: whether the workers are processes of this program.
        """
        self.name = f"tsmu-{digest[:12]}"
        self._path, self._digest, self._ours, self._version = path, digest, ours, __version__
        self.model: Any = None

    def setup(self, worker: Any) -> None:
        """Raises UserError where a worker has several threads, or cannot open the model."""
        if worker.state.nthreads != 1:
            held = f"{FLAG}: the worker {worker.address} has {worker.state.nthreads} threads"
            raise UserError(f"{held}; start workers with --nthreads=1, as many as there are devices")
        if self._ours:  # Ctrl-C reaches all processes of a terminal; the first one ends the others
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.model = work.opened(self._path, self._digest, self._version)


def map_there(name: str, task: Task) -> Done:
    """Maps with a worker's model. Raises UserError without a cause: those of other libraries cannot travel."""
    plugin: Any = get_worker().plugins[name]
    try:
        return work.map_one(plugin.model, task)
    except UserError as error:
        said = str(error)
    raise UserError(said)


class Workers:
    """Maps scenes. Args: client: connected; scheduler: as the user named it; plugin: that all workers have."""

    def __init__(self, client: Any, scheduler: str, plugin: OneModel) -> None:
        """Hands the model out to all workers, those that come later included."""
        self._client, self._scheduler, self._plugin = client, scheduler, plugin.name
        with _lost(scheduler):
            client.register_plugin(plugin, name=plugin.name)

    @property
    def number(self) -> int:
        """Of those that are there now."""
        return len(self._client.nthreads())

    @property
    def address(self) -> str:
        """The dashboard's page where one answers, else the scheduler's address."""
        page = str(self._client.dashboard_link or "")
        return page if page and _answers(page) else str(self._client.scheduler.address)

    def mapped(
        self, tasks: Sequence[Task], *, retries: int, function: Callable[[str, Task], Done] = map_there
    ) -> Iterator[tuple[int, Done | str]]:
        """Yields the number of a task and what came of it, or why nothing did, as they end.

        A task whose worker is lost is handed to another one; one that fails is repeated up to `retries` times.

        Args: function: what a worker does with the plugin's name and a task.

        Raises:
          UserError: the scheduler is gone.
        """
        run = uuid.uuid4().hex[:8]
        keys = [f"map-{run}-{number}" for number in range(len(tasks))]
        with _lost(self._scheduler):
            futures = self._client.map(
                function, [self._plugin] * len(tasks), tasks, key=keys, retries=retries, pure=False, batch_size=_BATCH
            )
            numbers = {future.key: number for number, future in enumerate(futures)}
            ended = as_completed(futures)
            del futures  # so that what has ended is forgotten
            for future in ended:
                found = _outcome(future)
                number = numbers.pop(future.key)
                del future
                yield number, found


def _answers(page: str) -> bool:
    """Whether a page is there: a scheduler may have no dashboard, or one behind a wall."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(page, timeout=_PAGE_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _outcome(future: Any) -> Done | str:
    if future.status == "error":
        error = future.exception()
        if isinstance(error, KilledWorker):
            return "each worker that mapped it was lost, perhaps for want of memory; try --memory_gib=1"
        return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {str(error):.300}"
    found: Done = future.result()
    return found


@contextlib.contextmanager
def _lost(scheduler: str) -> Iterator[None]:
    """Raises UserError where the scheduler is gone."""
    try:
        yield
    except (CancelledError, CommClosedError, OSError, TimeoutError) as error:
        said = f"{FLAG}={scheduler}: the scheduler is gone" if scheduler else "the local cluster is gone"
        raise UserError(f"{said}; what was finished is kept: run the same command again for the rest") from error


@contextlib.contextmanager
def workers(scheduler: str, number: int, plugin: OneModel, *, retries: int) -> Iterator[Workers]:
    """Connects to a scheduler, or starts a cluster here that ends with this process.

    Args:
      scheduler: address, or a file that the scheduler has written; "" for a cluster here.
      number: of processes here; 0 for one a device.
      retries: so many workers here may be lost with a scene before it counts as failed.

    Raises:
      UserError: there is no such scheduler or device, or a worker cannot open the model.
    """
    _hush()
    with contextlib.ExitStack() as stack:
        if scheduler:
            client = stack.enter_context(_connected(scheduler))
        else:
            environments = _environments(number)
            settings = {"distributed.scheduler.allowed-failures": retries, "distributed.nanny.pre-spawn-environ": {}}
            stack.enter_context(dask.config.set(settings))
            local = stack.enter_context(_local(environments))
            client = stack.enter_context(Client(local))
        yield Workers(client, scheduler, plugin)


def _connected(scheduler: str) -> Any:
    place: dict[str, Any] = {"address": scheduler}
    if "://" not in scheduler:
        if not Path(scheduler).is_file():
            raise UserError(f"{FLAG}={scheduler}: no such file; give tcp://HOST:PORT, or the file of dask scheduler")
        place = {"scheduler_file": scheduler}
    try:
        return Client(**place, timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise UserError(f"{FLAG}={scheduler}: no scheduler answers there; start one: dask scheduler") from error


def _local(environments: Sequence[dict[str, str]]) -> Any:
    """A scheduler in this process, and one process for each environment, which a nanny starts anew if it dies."""
    shown = bool(importlib.util.find_spec("bokeh"))
    quiet: dict[str, Any] = {"host": _HOST, "silence_logs": logging.CRITICAL, "dashboard": False}
    nanny = {**quiet, "nthreads": 1, "memory_limit": 0}  # arrays of XLA are not dask's to count
    return SpecCluster(
        scheduler={
            "cls": Scheduler,
            "options": {"host": _HOST, "port": 0, "dashboard": shown, "dashboard_address": f"{_HOST}:0"},
        },
        workers={
            number: {"cls": Nanny, "options": {**nanny, "env": environment}}
            for number, environment in enumerate(environments)
        },
        silence_logs=logging.CRITICAL,
    )


def _environments(number: int) -> list[dict[str, str]]:
    """Variables of each process here, so that each has a device of its own. Raises UserError where there are fewer."""
    asked = subprocess.run([sys.executable, "-c", _DEVICES], capture_output=True, text=True, check=False)
    if asked.returncode:
        lines = asked.stderr.strip().splitlines()
        platforms = os.environ.get("JAX_PLATFORMS")
        said = machine.NO_DEVICE.format(f"JAX_PLATFORMS={platforms}") if platforms else ""
        raise UserError(said or f"JAX does not start: {lines[-1] if lines else asked.returncode}")
    kind, count = asked.stdout.split()[-2:]
    if kind == "cpu":
        return [{}] * (number or 1)
    if number > int(count):
        raise UserError(f"--workers={number}: this machine has {count} devices, one for each worker; ask for fewer")
    granted = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    named = granted if len(granted) >= int(count) else [str(device) for device in range(int(count))]
    return [{"CUDA_VISIBLE_DEVICES": named[device]} for device in range(number or int(count))]


def _hush() -> None:
    """Leaves it to us to say, in one line, what has happened."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
