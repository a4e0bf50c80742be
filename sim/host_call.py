"""Calls of numpy functions from compiled programs on a CPU that, unlike `jax.pure_callback`, leave the program cacheable.

    call = HostCall("double", lambda x, out: np.multiply(x, 2, out=out))
    y = call(jax.ShapeDtypeStruct(x.shape, x.dtype), x)        # inside jax.jit

JAX before 0.12 never keeps a program with a Python callback in its persistent compilation cache, as the program refers to the
callback by its address. Here the program refers to it by a key that whoever makes the call chooses, and one handler, registered
with XLA under a fixed name, finds the function by that key: a program from the cache works in any process that has made a
`HostCall` of the same key, and the key must therefore tell functions apart that differ. Arguments and results are not copied
either; the function writes into the result's own memory.

The handler is written against XLA's foreign function interface (`xla/ffi/api/c_api.h`, shipped with jaxlib), whose binary
interface XLA keeps compatible; `struct_size` guards the few structures that are read.
"""

import ctypes
import functools
import traceback
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

_TARGET = "zerogap_host_call"
_KEY = "function"

# From c_api.h.
_API_VERSION = (0, 1)  # nothing newer is used
_METADATA = 1
_EXECUTE = 3
_INTERNAL_ERROR = 13
_DTYPES = {
    1: np.bool_,
    2: np.int8,
    4: np.int32,
    5: np.int64,
    6: np.uint8,
    8: np.uint32,
    9: np.uint64,
    11: np.float32,
    12: np.float64,
}

_functions: dict[str, Callable[..., None]] = {}


class HostCall:
    """`function(*arguments, *results)` reads numpy arrays and fills others; it must be pure but for that.

    Two functions of the same key must be interchangeable: the newest is called. It lives as long as the process.
    """

    def __init__(self, key: str, function: Callable[..., None]):
        _register()
        self.key = key
        _functions[key] = function

    def __call__(self, results: Any, *arguments: jax.Array) -> Any:
        """The results, of the shapes and types of `results`, a `jax.ShapeDtypeStruct` or a sequence of them.

        Where the function raises, running the program raises `jax.errors.JaxRuntimeError`, which quotes it.
        """
        return jax.ffi.ffi_call(_TARGET, results)(*arguments, **{_KEY: self.key})


class _Extension(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("type", ctypes.c_int), ("next", ctypes.c_void_p)]


class _ApiVersion(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("major", ctypes.c_int),
        ("minor", ctypes.c_int),
    ]


class _Metadata(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("api_version", _ApiVersion), ("traits", ctypes.c_uint32)]


class _MetadataExtension(ctypes.Structure):
    _fields_ = [("base", _Extension), ("metadata", ctypes.POINTER(_Metadata))]


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("dtype", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("rank", ctypes.c_int64),
        ("dims", ctypes.POINTER(ctypes.c_int64)),
    ]


class _Buffers(ctypes.Structure):
    """XLA_FFI_Args and XLA_FFI_Rets"""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("types", ctypes.c_void_p),
        ("buffers", ctypes.POINTER(ctypes.POINTER(_Buffer))),
    ]


class _Span(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class _Attributes(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("types", ctypes.c_void_p),
        ("names", ctypes.POINTER(ctypes.POINTER(_Span))),
        ("values", ctypes.POINTER(ctypes.c_void_p)),
    ]


class _ErrorCreateArgs(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("message", ctypes.c_char_p),
        ("code", ctypes.c_int),
    ]


_ErrorCreate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_ErrorCreateArgs))


class _Api(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.c_void_p),
        ("version", _ApiVersion),
        ("internal", ctypes.c_void_p),
        ("error_create", _ErrorCreate),
    ]


class _CallFrame(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.POINTER(_Extension)),
        ("api", ctypes.POINTER(_Api)),
        ("context", ctypes.c_void_p),
        ("stage", ctypes.c_int),
        ("arguments", _Buffers),
        ("results", _Buffers),
        ("attributes", _Attributes),
    ]


@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_CallFrame))
def _handler(pointer: Any) -> int | None:
    """What XLA calls: an XLA_FFI_Handler. Returns an error's address, or None."""
    frame = pointer.contents
    if frame.extension and frame.extension.contents.type == _METADATA:
        extension = ctypes.cast(frame.extension, ctypes.POINTER(_MetadataExtension)).contents
        version = extension.metadata.contents.api_version
        version.major, version.minor = _API_VERSION
        extension.metadata.contents.traits = 0
        return None
    try:
        if frame.stage == _EXECUTE:
            key = _key(frame.attributes)
            if key not in _functions:
                raise LookupError(f"this process has made no HostCall {key!r}, which the program calls")
            _functions[key](*_arrays(frame.arguments), *_arrays(frame.results))
        return None
    except BaseException:  # whatever it is, it must not pass through XLA's frames
        message = traceback.format_exc().encode()
        create = _ErrorCreateArgs(ctypes.sizeof(_ErrorCreateArgs), None, message, _INTERNAL_ERROR)
        return frame.api.contents.error_create(ctypes.byref(create))


def _key(attributes: _Attributes) -> str:
    span = ctypes.cast(attributes.values[0], ctypes.POINTER(_Span)).contents  # the only attribute
    return ctypes.string_at(span.data, span.size).decode()


def _arrays(buffers: _Buffers) -> list[np.ndarray]:
    return [_array(buffers.buffers[i].contents) for i in range(buffers.size)]


def _array(buffer: _Buffer) -> np.ndarray:
    """A view of XLA's memory, valid until the handler returns."""
    shape = tuple(buffer.dims[: buffer.rank])
    dtype = np.dtype(_DTYPES[buffer.dtype])
    size = dtype.itemsize
    for extent in shape:
        size *= extent
    if size == 0:
        return np.empty(shape, dtype)
    memory = memoryview((ctypes.c_byte * size).from_address(buffer.data))
    return np.frombuffer(memory, dtype).reshape(shape)


@functools.cache
def _register() -> None:
    jax.ffi.register_ffi_target(_TARGET, jax.ffi.pycapsule(_handler), platform="cpu")
