"""Which arrays are taken: real numbers of one library, and half precision never summed as such.

A half (float16, bfloat16) has 11 or 8 binary digits: a sum over a batch in it is off by tens of
percent, and a length above 65,504 is no float16 at all. So halves are made float32 where they
come in, and what comes out has the dtype of what went in.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import array_api_compat
import array_api_compat.numpy as of_numpy
import numpy as np

Array = Any
_LIBRARIES = {"numpy": "NumPy", "jax": "JAX", "jaxlib": "JAX", "torch": "torch"}
LARGEST = 65504.0
"""The largest float16."""
_REAL = ("float", "bfloat", "int", "uint", "bool")


def array_namespace(*arrays: Any) -> Any:
    """`array_api_compat.array_namespace`, at once where all are NumPy arrays, as nearly always.

    Raises TypeError for arrays of several libraries, and for what is no array.
    """
    for x in arrays:
        if type(x) is not np.ndarray:
            return array_api_compat.array_namespace(*arrays)
    return of_numpy


@lru_cache(maxsize=256, typed=True)
def library(kind: type) -> str:
    """The name of the array library that a type is from: "NumPy", "JAX", "torch", ..."""
    for base in kind.__mro__:
        root = base.__module__.partition(".")[0]
        if root in _LIBRARIES:
            return _LIBRARIES[root]
    return kind.__module__.partition(".")[0]


@lru_cache(maxsize=256, typed=True)
def half(dtype: Any) -> bool:
    """True for floats of 16 bits and fewer."""
    return _name(dtype).startswith(("float16", "bfloat", "float8"))


@lru_cache(maxsize=256, typed=True)
def floating(dtype: Any) -> bool:
    """True for real floating dtypes of every library, bfloat16 in NumPy included."""
    return _name(dtype).startswith(("float", "bfloat"))


def check_array(name: str, value: Any, like: Any = None, *, like_name: str = "correct") -> None:
    """Refuse what is no array of real numbers, or one of another library than `like`.

    value : anything with a dtype; what has none is left to checks of shape
    like : an array (None: of any library)

    Raises TypeError that names the array and the way out.
    """
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return
    fault = _fault(type(value), dtype)
    if fault:
        msg = f"{name} {fault}"
        raise TypeError(msg)
    if like is not None and type(like) is not type(value) and hasattr(like, "dtype"):
        own, other = library(type(value)), library(type(like))
        if own != other:
            msg = f"{name} is of {own}, but {like_name} is of {other}; convert one of the two"
            raise TypeError(msg)


@lru_cache(maxsize=256, typed=True)
def _fault(kind: type, dtype: Any) -> str:
    if any(base.__module__.startswith("numpy.ma") for base in kind.__mro__):
        return (
            "is a masked array, whose mask would be lost; give its .data, and weight 0 (or NaN) "
            "where it is masked"
        )
    if not _name(dtype).startswith(_REAL):
        return f"has dtype {dtype}; give real numbers: floats, whole numbers or bools"
    return ""


@lru_cache(maxsize=256, typed=True)
def _name(dtype: Any) -> str:
    """A dtype's name without its library or byte order: "float32"; typed caches, as dtypes of
    array-api-strict refuse to be compared with those of NumPy."""
    return str(getattr(dtype, "name", None) or dtype).rpartition(".")[2]


def as_floats(value: Any, like: Any = None) -> Any:
    """Whole numbers and bools as floats, so that nothing is cut off to whole numbers.

    Of the dtype of `like` where that is a float of at least 32 bits, else the library's default.
    Floats, and what is no array, stay as they are. The answer has the shape of `value`.
    """
    dtype = getattr(value, "dtype", None)
    if dtype is None or floating(dtype):
        return value
    xp = array_namespace(value)
    wanted = getattr(like, "dtype", None)
    if wanted is None or not floating(wanted) or half(wanted):
        wanted = xp.__array_namespace_info__().default_dtypes()["real floating"]
    return xp.astype(value, wanted)


def raised(value: Any, like: Any = None) -> Any:
    """Half floats as float32, or as `like` where that is wider; everything else unchanged.

    The answer has the shape of `value`.
    """
    dtype = getattr(value, "dtype", None)
    if dtype is None or not half(dtype):
        return value
    xp = array_namespace(value)
    wanted = getattr(like, "dtype", None)
    wide = wanted is not None and floating(wanted) and not half(wanted)
    return xp.astype(value, wanted if wide else xp.float32)


def common_half(*values: Any) -> Any:
    """The half dtype that all floats among `values` have, None where one is wider or differs."""
    found = {v.dtype for v in values if hasattr(v, "dtype") and floating(v.dtype)}
    only = found.pop() if len(found) == 1 else None
    return only if only is not None and half(only) else None


def lowered(value: Array, dtype: Any) -> Array:
    """`value` in that dtype; unchanged for None. The answer has the shape of `value`.

    Finite values that float16 ends before, such as advantages divided by an eps, are its largest.
    """
    if dtype is None:
        return value
    xp = array_namespace(value)
    if _name(dtype) == "float16":
        value = xp.where(xp.isinf(value), value, xp.clip(value, -LARGEST, LARGEST))
    return xp.astype(value, dtype)
