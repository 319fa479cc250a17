"""Fitted laws as files: arrays in one NPZ, and a JSON skeleton that says what they belong to.

Reading one runs no code of the file's, unlike a pickle: a model may come from anybody.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

import numpy as np

from catalogs.errors import UserError
from mixing.laws import LAWS, Law, Scale

_FORMAT = 1


def save_model(path: str, value: Any) -> None:
    """Write laws, arrays, numbers, texts, and lists, tuples and mappings of them."""
    arrays: dict[str, np.ndarray] = {}
    skeleton = json.dumps({"format": _FORMAT, "value": _encode(value, arrays)})
    arrays["skeleton"] = np.frombuffer(skeleton.encode(), np.uint8)
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load_model(path: str) -> Any:
    """Read what `save_model` wrote.

    Raises
    ------
    UserError
        When the file is no such model.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            skeleton = json.loads(arrays["skeleton"].tobytes())
            if skeleton["format"] != _FORMAT:
                raise ValueError(f"format {skeleton['format']}")
            return _decode(skeleton["value"], arrays)
    except (OSError, KeyError, ValueError, TypeError, EOFError) as error:
        raise UserError(f"{path}: not a fitted model: {error}; fit again") from None


def _encode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Law):
        return {"law": value.name, "state": _encode(vars(value), arrays)}
    if isinstance(value, Scale):
        return {"scale": _encode(vars(value), arrays)}
    if isinstance(value, dict):
        items = [[_encode(k, arrays), _encode(v, arrays)] for k, v in value.items()]
        return {"items": items}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(one, arrays) for one in value]}
    raise TypeError(f"a model file holds no {type(value).__name__}")


def _decode(value: Any, arrays: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "law" in value or "scale" in value:
        kind = _kind(value["law"]) if "law" in value else Scale
        found = object.__new__(kind)
        vars(found).update(_decode(value.get("state", value.get("scale")), arrays))
        return found
    if "items" in value:
        return {_decode(k, arrays): _decode(v, arrays) for k, v in value["items"]}
    if "list" in value:
        return [_decode(one, arrays) for one in value["list"]]
    return tuple(_decode(one, arrays) for one in value["tuple"])


def _kind(name: str) -> type[Law]:
    from mixing.informed import INFORMED
    from mixing.validation import FixedLaw

    return {FixedLaw.name: FixedLaw, **INFORMED, **LAWS}[name]
