"""Plug-ins: Python files of the user that register readers, engines or filters."""

from __future__ import annotations

import importlib.util
import os
import posixpath
import sys

from catalogs.errors import UserError


def load_plugin(path: str) -> None:
    """Run a Python file that registers readers, engines or filters; once per process."""
    name = "corpusmill_plugin_" + posixpath.basename(path).removesuffix(".py").replace("-", "_")
    if name in sys.modules:
        return
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such plug-in file (field 'plugins')")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"{path}: the plug-in does not load: {error}") from None
