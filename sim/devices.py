"""Devices that share the environments: those of this process, or of several processes that were started together.

    devices = Devices.all()                                    # of every process; Devices() is the one that JAX picks
    physics = make_physics(model, num_envs, devices=devices)   # each simulates num_envs / devices.count of them

What is computed on all devices sees whole arrays, of all environments, and XLA divides the work and communicates: random
numbers, and so results, are those of a single device but for rounding. `each` is for what must not communicate: calls of the
engine, and loops that go on until something holds for every environment; `mean` is for what must communicate once, not often.

Several processes run the same program on the same arguments: what one of them alone knows (its clock, a signal) must go through
`agree` before anything depends on it, and only the `first` of them writes files.
"""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from assets.errors import UserError

_AXIS = "envs"
_PATIENCE = 300  # seconds for all processes to come

Tree = TypeVar("Tree")
Result = TypeVar("Result")


class DevicesError(UserError, RuntimeError):
    """The devices or processes asked for cannot be had; the message says what was found."""


@dataclass(frozen=True)
class Devices:
    """`mesh` has one axis over the devices, or is None for the one that JAX picks."""

    mesh: Mesh | None = None

    @classmethod
    def all(cls, count: int | None = None) -> "Devices":
        """Every device of every process, or `count` of each. Raises DevicesError."""
        found = jax.devices()
        if jax.process_count() > 1:
            _expect_alike(count)
        if count is not None:
            here = jax.local_devices()
            if not 1 <= count <= len(here):
                raise DevicesError(
                    f"{count} devices were asked for, and there are {len(here)}: {', '.join(map(str, here[:8]))}"
                )
            of_each = [[d for d in found if d.process_index == process][:count] for process in range(jax.process_count())]
            found = [device for part in of_each for device in part]
        devices = cls(Mesh(np.array(found), (_AXIS,)) if len(found) > 1 else None)
        if jax.process_count() > 1:
            devices._meet()
        return devices

    def _meet(self) -> None:
        """Have all processes talk to each other once. Whoever speaks first gives up after half a minute, which is less than one
        of them may take longer than another to compile what they are to compute."""
        ones = self.put(np.ones(self.count, np.float32), self.sharding(0))
        jax.block_until_ready(jax.jit(jnp.sum, out_shardings=self.sharding(None))(ones))

    @property
    def count(self) -> int:
        return 1 if self.mesh is None else self.mesh.size

    @property
    def count_here(self) -> int:
        """Of this process."""
        return 1 if self.mesh is None else len(self.mesh.local_devices)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and tells."""
        return jax.process_index() == 0

    # Inside jit

    def each(self, function: Callable[..., Any], shared: Any, *arrays: Any, axis: int = 0) -> Any:
        """`function(shared, start, *arrays)` on each device, of its own part of the arrays' `axis`, which is of num_envs.

        `shared` is the same everywhere, `start` the index of the part's first environment. What it gives has a leading axis of
        its environments, or of what it took of them: the devices' parts follow each other.
        """
        if self.mesh is None:
            return function(shared, 0, *arrays)

        def part(shared: Any, *arrays: Any) -> Any:
            size = jax.tree.leaves(arrays)[0].shape[axis]
            return function(shared, jax.lax.axis_index(_AXIS) * size, *arrays)

        specs = (P(), *[P(*[None] * axis, _AXIS)] * len(arrays))
        # The engines' foreign calls cannot tell what varies over the devices.
        return jax.shard_map(part, mesh=self.mesh, in_specs=specs, out_specs=P(_AXIS), check_vma=False)(shared, *arrays)

    def mean(self, function: Callable[..., Tree], shared: Any, *arrays: Any) -> Tree:
        """The mean over the devices of `function(shared, *arrays)`, each of its own part of the arrays' leading axis: of a mean
        over that axis, the mean over all of it. It is sent as one array: what is waited for is messages, not bytes."""
        if self.mesh is None:
            return function(shared, *arrays)

        def part(shared: Any, *arrays: Any) -> Tree:
            flat, as_tree = ravel_pytree(function(shared, *arrays))
            return as_tree(jax.lax.pmean(flat, _AXIS))

        specs = (P(), *[P(_AXIS)] * len(arrays))
        return jax.shard_map(part, mesh=self.mesh, in_specs=specs, out_specs=P(), check_vma=False)(shared, *arrays)

    def index_here(self) -> jax.Array:
        """Of the device that computes, among those of its process; within `each`."""
        return jnp.int32(0) if self.mesh is None else jax.lax.axis_index(_AXIS) % self.count_here

    # Outside of jit

    def sharding(self, axis: int | None) -> NamedSharding | None:
        """Of an array whose `axis` is that of the environments, or that every device has whole (None)."""
        return None if self.mesh is None else NamedSharding(self.mesh, P() if axis is None else P(*[None] * axis, _AXIS))

    def put(self, tree: Tree, shardings: Any) -> Tree:
        """Host arrays, the same in every process, onto the devices; `shardings` is a tree of what `sharding` gives, or None."""
        if self.mesh is None:
            return jax.tree.map(jnp.asarray, tree)

        def one(value: np.ndarray, sharding: NamedSharding) -> jax.Array:
            return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])

        return jax.tree.map(one, jax.tree.map(np.asarray, tree), shardings)

    def fetch(self, tree: Tree) -> Tree:
        """Whole arrays in this process's memory. All processes must call it."""
        if jax.process_count() == 1:
            return jax.device_get(tree)

        def one(value: Any) -> np.ndarray:
            if not isinstance(value, jax.Array) or value.is_fully_replicated:
                return np.asarray(value)
            return np.asarray(multihost_utils.process_allgather(value, tiled=True))

        return jax.tree.map(one, tree)

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        """Which of the flags any process has raised. All processes must call it."""
        if jax.process_count() == 1:
            return flags
        return tuple(bool(flag) for flag in multihost_utils.process_allgather(np.array(flags)).any(axis=0))

    def on_first(self, work: Callable[[], Result]) -> Result | None:
        """What `work()` gives in the first process, None in the others. Where it raises, the others raise DevicesError."""
        result, problem = None, None
        if self.first:
            try:
                result = work()
            except Exception as error:
                problem = error
        (failed,) = self.agree(problem is not None)
        if problem is not None:
            raise problem
        if failed:
            raise DevicesError("the first process could not go on, and says why")
        return result

    def in_all(self, work: Callable[[], Result]) -> Result:
        """What `work()`, which must not communicate, gives in this process. Where it raises in another, DevicesError."""
        result, problem = None, None
        try:
            result = work()
        except Exception as error:
            problem = error
        (failed,) = self.agree(problem is not None)
        if problem is not None:
            raise problem
        if failed:
            raise DevicesError("another process could not go on, and says why")
        return cast(Result, result)

    def expect_same(self, told: dict[str, Any]) -> None:
        """Raise DevicesError where a process was told otherwise than the first, by JSON's values with names."""
        if jax.process_count() == 1:
            return
        first = json.loads(self.text_of_first(json.dumps(told)))
        own = json.loads(json.dumps(told))
        other = [
            f"{name} {own[name]!r}, and the first with {first.get(name)!r}" for name in own if own[name] != first.get(name)
        ]
        (differs,) = self.agree(bool(other))
        if other:
            raise DevicesError(f"this process was started with {'; '.join(other)}: start the same command in all")
        if differs:
            raise DevicesError("another process was started otherwise than the first, and says how")

    def told_by_first(self, tree: Tree) -> Tree:
        """The first process's host arrays, in all of them; the others' need only be of the same shapes."""
        return tree if jax.process_count() == 1 else multihost_utils.broadcast_one_to_all(tree)

    def text_of_first(self, text: str | None) -> str:
        """The first process's text, in all of them."""
        if jax.process_count() == 1:
            assert text is not None
            return text
        encoded = (text or "").encode()
        size = int(self.told_by_first(np.int32(len(encoded))))
        buffer = np.zeros(size, np.uint8)
        if self.first:
            buffer[:] = np.frombuffer(encoded, np.uint8)
        return bytes(np.asarray(self.told_by_first(buffer), np.uint8)).decode()


def _expect_alike(count: int | None) -> None:
    """Raise DevicesError unless every process has as many devices and was asked for as many: each in all of them alike."""
    have = [sum(device.process_index == process for device in jax.devices()) for process in range(jax.process_count())]
    if len(set(have)) > 1:
        told = ", ".join(f"process {process} has {number}" for process, number in enumerate(have))
        raise DevicesError(
            f"processes that share a training need equally many devices, and {told}: give all the same --devices on a CPU, or"
            " show each as many GPUs by CUDA_VISIBLE_DEVICES"
        )
    asked = multihost_utils.process_allgather(np.int32(count or 0)).ravel().tolist()
    if len(set(asked)) > 1:
        told = ", ".join(f"process {process} for {number or 'all'}" for process, number in enumerate(asked))
        raise DevicesError(f"processes were asked for different numbers of devices, {told}: give all the same --devices")


def join_processes(coordinator: str | None, count: int | None, index: int | None) -> None:
    """Be process `index` of the `count` that share a training, and wait for the others; before anything is computed.

    `coordinator` is HOST:PORT of the process of index 0, where the port must be free. Raises DevicesError.
    """
    if coordinator is None or count is None or index is None:
        raise DevicesError(
            "several processes need all of --coordinator HOST:PORT, --processes and --process-id, each process with its own id"
        )
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise DevicesError(f"the coordinator is {coordinator!r}, expected HOST:PORT, such as 10.0.0.1:7654")
    if count < 1:
        raise DevicesError(f"the number of processes is {count}, expected 1 or more")
    if not 0 <= index < count:
        raise DevicesError(f"the process id is {index}, expected 0 to {count - 1} of {count} processes")
    _check_coordinator(host, int(port), listens=index == 0)
    try:
        jax.distributed.initialize(
            coordinator,
            count,
            index,
            initialization_timeout=_PATIENCE,
            coordinator_bind_address=coordinator,  # JAX would listen on every interface
        )
    except RuntimeError as error:
        raise DevicesError(f"process {index} of {count} could not meet the others at {coordinator}: {error}") from error


def _check_coordinator(host: str, port: int, listens: bool) -> None:
    """Raise DevicesError where there is no such host, or no listening there: JAX would end the process."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        if listens:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(where)
    except socket.gaierror as error:
        raise DevicesError(f"the coordinator's host {host!r} is not known: {error.strerror}") from error
    except OSError as error:
        raise DevicesError(
            f"process 0 cannot listen at the coordinator's address {host}:{port}: {error.strerror}. It must be one of its own"
            " machine, with a free port; every other process has a --process-id of its own"
        ) from error


def split_cpu(count: int) -> None:
    """Have a CPU, where it is what JAX computes on, count as so many devices. To be called before anything is computed."""
    if count < 1:
        raise DevicesError(f"the number of devices must be at least 1, found {count}")
    try:
        jax.config.update("jax_num_cpu_devices", count)
    except RuntimeError as error:
        raise DevicesError(f"this process computes already, and cannot count its CPU as {count} devices any more") from error
