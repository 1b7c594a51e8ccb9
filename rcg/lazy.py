"""Packages whose names load their part when they are first used, so that importing them stays light."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy(
    package: str, names: dict[str, Any], homes: Mapping[str, Sequence[str]], modules: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package (PEP 562).

    Args:
        package: Its full name.
        names: Its `globals()`.
        homes: For each of its modules, the names that come from it.
        modules: Modules of it that are names themselves.
    """
    module_of = {name: module for module, members in homes.items() for name in members}

    def get(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        names[name] = value
        return value

    return get, lambda: sorted({*names, *module_of, *modules})
