"""verl's own algorithm file, where verl is installed (its Ray and tensor containers stubbed)."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class Config(SimpleNamespace):
    """A configuration with verl's `get`."""

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)


class AlgoConfig(Config):
    """Stands for verl's class of that name."""


class ActorConfig(Config):
    """Stands for verl's class of that name."""


def core_algos() -> Any:
    """`verl.trainer.ppo.core_algos`; skips the test where verl is not importable."""
    module = loaded()
    if module is None:
        pytest.skip("verl is not installed; the formulas of its source are tested instead")
    return module


def actor_config(**values: Any) -> ActorConfig:
    """An actor configuration for verl's policy losses."""
    known = {"clip_ratio": 0.2, "clip_ratio_low": 0.2, "clip_ratio_high": 0.2}
    known |= {"global_batch_info": {}, "tau_pos": 1.0, "tau_neg": 1.05, "policy_loss": Config()}
    return ActorConfig(**(known | values))


@cache
def loaded() -> Any:
    """`verl.trainer.ppo.core_algos`, or None where verl is not importable."""
    spec = importlib.util.find_spec("verl")
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(next(iter(spec.submodule_search_locations)))
    before = dict(sys.modules)
    try:
        _stub(root)
        groupwise = _load("verl.utils.groupwise", root / "utils/groupwise.py")
        for name in ("as_torch_index", "group_mean_std"):
            setattr(sys.modules["verl.utils"], name, getattr(groupwise, name))
        _load("verl.utils.torch_functional", root / "utils/torch_functional.py")
        return _load("verl.trainer.ppo.core_algos", root / "trainer/ppo/core_algos.py")
    finally:  # no other test shall meet a stub
        for name in set(sys.modules) - set(before):
            if name.split(".")[0] in ("verl", "tensordict", "omegaconf"):
                del sys.modules[name]
        sys.modules.update({n: m for n, m in before.items() if sys.modules.get(n) is not m})


def _stub(root: Path) -> None:
    def package(name: str, **values: Any) -> None:
        module = ModuleType(name)
        module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        vars(module).update(values)
        sys.modules[name] = module

    for name in ("verl", "verl.utils", "verl.trainer", "verl.trainer.ppo", "verl.workers"):
        package(name)
    package("verl.trainer.config", AlgoConfig=AlgoConfig)
    package("verl.workers.config", ActorConfig=ActorConfig)
    package("verl.utils.device", get_device_name=lambda: "cpu", get_torch_device=lambda: None)
    package("verl.utils.import_utils", deprecated=lambda *_: lambda f: f)
    package("tensordict", TensorDict=dict)
    package("omegaconf", DictConfig=Config)


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
