"""Places in, the answers of their exams out, by the workers of a Ray cluster, each with its own models and decoder.

A chunk of places is a task of Ray (Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications", 2018).
Where its worker dies, Ray runs it again; what came of it is taken once. Every machine needs this program and the same
paths to the exams and to the weights.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..imaging.decoder import Decoder
from ..inference.model_predictor import ModelPredictor
from ..loading import load_model
from ..temporary import temporary_folder
from .archive import Place
from .pipeline import Outcome, score_places

LOCAL = "local"
CHUNK_PLACES = 8  # of a task
TRIES_AGAIN = 3  # of a task whose worker died
STORE_BYTES = 100_000_000  # of Ray's object store on this machine, which holds answers only
LONGEST_FOLDER = 40  # letters: a socket's path in it may have 107
REACH_SECONDS = 5.0  # for the head of a cluster to answer
CLUSTER_ENDED = "The Ray cluster has ended, or cannot be reached any more."
DIED = "The process that scored it was ended again and again, so that it may not fit into the memory."


class WeightsFile(NamedTuple):
    """A file of weights on all machines, and its SHA-256 in hex."""

    path: str
    sha256: str


class Resources(NamedTuple):
    """What Ray reserves for a worker, and how many workers the cluster has room for."""

    cpus: int
    gpus: int
    workers: int


def resources(cluster: Mapping[str, float]) -> Resources:
    """Return what each worker is given: a core; where there are GPUs, one of them and its share of the cores.

    cluster: the sum of the machines, as `ray.cluster_resources` gives it.
    """
    cores, gpus = int(cluster.get("CPU", 1)), int(cluster.get("GPU", 0))
    if gpus:
        return Resources(max(1, cores // gpus), 1, gpus)
    return Resources(1, 0, max(1, cores))


def score_with_ray(
    places: Sequence[Place],
    weights: Sequence[WeightsFile],
    address: str,
    workers: int,
    done: Collection[str] = (),
    chunk: int = CHUNK_PLACES,
) -> Iterator[Outcome]:
    """Yield what comes of the exams of each place, as they are done.

    address: HOST:PORT of a Ray cluster; LOCAL starts one of `workers` workers on this machine and ends it afterwards.
    done: exams that are left out. chunk: places of a task. Raises ModuleNotFoundError without Ray, ValueError where no
    cluster answers or no longer does, and what loading the weights raises on a machine.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with_ray: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == LOCAL:
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # which else is kept in a file of the user's home
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        folder = temporary_folder("ray")
        within = {"_temp_dir": str(folder)} if len(str(folder)) <= LONGEST_FOLDER else {}
        with_ray |= {"num_cpus": workers, "object_store_memory": STORE_BYTES, "include_dashboard": False, **within}
    else:
        _check_reachable(address)
    import ray

    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address, **with_ray)
    except ConnectionError:
        raise ValueError(
            f"{address}: no Ray cluster answers there. Check the address, and whether it wants a token (RAY_AUTH_MODE)."
        ) from None
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # which Ray has replaced by its own
        yield from _scored(places, tuple(weights), frozenset(done), chunk)
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise ValueError where nothing listens at an address: Ray would wait for it for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"--ray: {address} is no address. Give local, or HOST:PORT of the cluster's head.")
    try:
        socket.create_connection((host, int(port)), REACH_SECONDS).close()
    except OSError:
        raise ValueError(f"{address}: nothing listens there. Start the Ray cluster, or check the address.") from None


def _scored(
    places: Sequence[Place], weights: tuple[WeightsFile, ...], done: frozenset[str], size: int
) -> Iterator[Outcome]:
    import ray

    given = resources(ray.cluster_resources())
    task = ray.remote(score_chunk).options(num_cpus=given.cpus, num_gpus=given.gpus, max_retries=TRIES_AGAIN)
    chunks = [list(places[start : start + size]) for start in range(0, len(places), size)][::-1]
    running: dict[Any, list[Place]] = {}
    while chunks or running:
        while chunks and len(running) < 2 * given.workers:  # so that no worker waits for its next one
            chunk = chunks.pop()
            running[task.remote(chunk, weights, done, given.cpus)] = chunk
        (ready, *_), _ = ray.wait(list(running))
        chunk = running.pop(ready)
        try:
            yield from ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except _lost_answers():
            if len(chunk) > 1:
                chunks += [[place] for place in reversed(chunk)]
            else:
                yield Outcome(chunk[0].name, chunk[0].name, failures=(DIED,))
        except ray.exceptions.RayError:
            raise ValueError(f"{CLUSTER_ENDED} Give the same command again: it goes on where it ended.") from None


def _lost_answers() -> tuple[type[Exception], ...]:
    """What Ray raises where a worker, or its machine with what it answered, has gone again and again."""
    from ray import exceptions

    return (
        exceptions.WorkerCrashedError,
        exceptions.OutOfMemoryError,
        exceptions.NodeDiedError,
        exceptions.ObjectLostError,
    )


def score_chunk(
    places: Sequence[Place], weights: tuple[WeightsFile, ...], done: frozenset[str], cores: int
) -> list[Outcome]:
    """Return what comes of the exams of some places, in a worker, which keeps its models and its decoder.

    Raises ValueError where the weights are others than those of who asks.
    """
    predictors = [_predictor(file) for file in weights]
    return list(score_places(places, predictors, _decoder(cores), cores, done))


@lru_cache
def _predictor(file: WeightsFile) -> ModelPredictor:
    predictor = load_model(file.path)
    if predictor.weights != file.sha256:
        raise ValueError(f"{Path(file.path).name}: other weights on another machine. Copy the same file to all.")
    return predictor


@lru_cache
def _decoder(cores: int) -> Decoder:
    return Decoder(cores)
