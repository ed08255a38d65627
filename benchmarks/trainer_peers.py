"""The tables of trainers' conventions against the trainers themselves; `make peers`.

    python benchmarks/trainer_peers.py [verl=CHECKOUT openrlhf=CHECKOUT prime_rl=CHECKOUT ...]

A package is taken from the checkout named (the folder that holds the package's folder, prime-rl's
`src` included by itself) or else where it is installed. Of each row that its own code can be asked
about the largest difference from ours is printed, on one random off-policy batch with ties, masks
and advantages of 0. Packages that are neither installed nor named are said to be missing: their
rows then stand on their formulas alone (tests/objectives/peer_losses.py,
tests/estimators/peer_formulas.py). Modules that a trainer imports and this machine lacks (Ray,
vLLM, ...) are replaced by stand-ins; code that needs them for more than a name fails, and is
reported as such.

Exit code 1 if a row differs by more than rounding, 2 if code was found but could not be run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib import import_module, util
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from toyrl.estimators.conventions import convention  # noqa: E402
from toyrl.objectives.conventions import loss  # noqa: E402
from toyrl.rollouts import Rollouts  # noqa: E402

TOLERANCE = 1e-5  # some of them compute in float32
B, G, T, LIMIT = 8, 8, 8, 8  # enough tokens that a clip moved by a tenth shows
Pair = tuple[str, np.ndarray, np.ndarray]


# -- modules that are not there --------------------------------------------------------------------
class Anything:
    """Stands for a name of a missing module: callable, subscriptable, usable as a decorator."""

    def __call__(self, *args: Any, **_: Any) -> Any:
        return args[0] if len(args) == 1 and callable(args[0]) else self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, _: Any) -> Any:
        return self

    def __or__(self, _: Any) -> Any:
        return self

    __ror__ = __or__

    def __mro_entries__(self, _: Any) -> tuple[type, ...]:
        return ()


class _Missing(ModuleType):
    """A module whose every name is `Anything`."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()


class _Finder(MetaPathFinder, Loader):
    """The last resort: a stand-in for what the peer's own modules import and nobody finds."""

    def __init__(self, peer: str) -> None:
        self.peer = peer

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        frame, importer = sys._getframe(1), "importlib"
        while frame is not None and importer.startswith("importlib"):
            importer = frame.f_globals.get("__name__", "").lstrip("_")
            frame = frame.f_back
        wanted = importer.split(".")[0] == self.peer != fullname.split(".")[0]
        return ModuleSpec(fullname, self, is_package=True) if wanted else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Missing(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        del module


@contextmanager
def reachable(peer: str, checkout: Path | None) -> Iterator[None]:
    """The peer importable, with stand-ins for what it lacks; everything is undone afterwards."""
    modules, path = dict(sys.modules), list(sys.path)
    finder = _Finder(peer)
    if checkout is not None:
        sys.path[:0] = [str(checkout), str(checkout / "src")]
    if peer != "trl":  # whole where it is installed, and it asks which extras are there
        sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path[:] = [f for f in sys.meta_path if f is not finder]
        sys.path[:] = path
        for name in set(sys.modules) - set(modules):
            if name.split(".")[0] == peer or isinstance(sys.modules[name], _Missing):
                del sys.modules[name]


# -- the batch -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Batch:
    """Rollouts (B, G), advantages (B, G), current and old log-probabilities (B, G, T)."""

    r: Rollouts
    reward: np.ndarray
    a: np.ndarray
    logp: np.ndarray
    old: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """(B, G, T)."""
        assert self.r.mask is not None
        return self.r.mask


def batch(seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    length = rng.integers(1, T + 1, (B, G)).astype(float)
    mask = (np.arange(T) < length[..., None]) * 1.0
    old = -rng.exponential(1.0, (B, G, T)) - 0.05
    logp = np.minimum(old + 0.4 * rng.normal(size=old.shape), -0.01)
    reward = rng.integers(0, 3, (B, G)) / 2
    sampler = np.minimum(old + 0.3 * rng.normal(size=old.shape), -0.01)
    r = Rollouts(0 * reward, length, float(LIMIT), mask=mask, fields={"sampling_logprobs": sampler})
    return Batch(r, reward, np.round(rng.normal(size=(B, G)), 1), logp, old)


def ours(trainer: str, option: str, b: Batch) -> np.ndarray:
    objective = loss(trainer, option).objective
    assert objective is not None
    return objective.coefficients(b.a, b.r, b.logp, b.old)


def our_advantages(trainer: str, option: str, b: Batch) -> np.ndarray:
    estimator = convention(trainer, option).estimator
    assert estimator is not None
    return np.asarray(estimator.apply({"r": b.reward}, b.r)[0])


def gradient(b: Batch, made: Callable[..., Any]) -> np.ndarray:
    """dJ/dlogp of `made(logp, old, advantages, mask)`, a loss; all (N, T) tensors."""
    import torch

    flat = (B * G, T)
    x = torch.tensor(b.logp.reshape(flat), requires_grad=True)
    wide = torch.tensor(np.repeat(b.a.reshape(-1, 1), T, 1))
    assert b.r.mask is not None
    made(
        x, torch.tensor(b.old.reshape(flat)), wide, torch.tensor(b.r.mask.reshape(flat))
    ).backward()
    assert x.grad is not None
    return -x.grad.numpy().reshape(B, G, T)


# -- the packages ----------------------------------------------------------------------------------
def trl(b: Batch) -> Iterator[Pair]:
    """GRPOTrainer and RLOOTrainer by the helpers of the tests."""
    from tests.estimators import trl_code
    from tests.objectives.test_peers import TRL, trl_gradient

    for scale in ("group", "none", "batch"):
        want = trl_code.grpo_advantages(b.reward, scale_rewards=scale)
        yield f"scale_rewards={scale}", our_advantages("trl", f"grpo_{scale}", b), want
    for option, settings in TRL.items():
        if not {"mode", "cut", "quantile", "off_policy", "beta"} & set(settings):
            full = b.r.with_(ref_logprobs=b.old, entropy=0 * b.old)
            want = trl_gradient(settings, (full, b.a, b.logp, b.old)).reshape(B, G, T)
            yield option, ours("trl", option, b), want


def verl(b: Batch) -> Iterator[Pair]:
    """Advantage estimators and policy losses of verl's registries."""
    import torch

    from tests.estimators.verl_code import Config, actor_config, loaded

    algos = loaded()
    if algos is None:
        msg = "verl.trainer.ppo.core_algos could not be loaded"
        raise ImportError(msg)
    mask = torch.tensor(b.mask.reshape(-1, T))
    tokens = np.zeros((B * G, T))
    last = b.r.length.reshape(-1).astype(int) - 1
    tokens[np.arange(B * G), last] = b.reward.reshape(-1)
    names = ("grpo", "rloo", "rloo_vectorized", "opo", "gpg", "reinforce_plus_plus_baseline")
    for name in names:
        theirs = algos.ADV_ESTIMATOR_REGISTRY[name](
            token_level_rewards=torch.tensor(tokens),
            response_mask=mask,
            index=np.repeat(np.arange(B), G),
            config=Config(gamma=1.0, norm_adv_by_std_in_grpo=True),
        )[0].numpy()
        yield name, our_advantages("verl", name, b), theirs[:, 0].reshape(B, G)
    options = {
        "vanilla, token-mean": ("vanilla", "token-mean"),
        "vanilla, seq-mean-token-mean": ("vanilla", "seq-mean-token-mean"),
        "vanilla, seq-mean-token-sum": ("vanilla", "seq-mean-token-sum"),
        "gspo": ("gspo", "token-mean"),
        "sapo": ("sapo", "token-mean"),
        "gpg": ("gpg", "token-mean"),
        "cispo": ("cispo", "token-mean"),
        "geo_mean": ("geo_mean", "token-mean"),
        "dppo_tv": ("dppo_tv", "token-mean"),
        "dppo_kl": ("dppo_kl", "token-mean"),
        "up": ("up", "token-mean"),
    }
    for option, (name, how) in options.items():
        if name not in algos.POLICY_LOSS_REGISTRY:
            continue

        def made(x: Any, old: Any, a: Any, m: Any, name: str = name, how: str = how) -> Any:
            more = {"clip_ratio_c": 20.0 if name.startswith("dppo") else 3.0}
            return algos.POLICY_LOSS_REGISTRY[name](
                old_log_prob=old, log_prob=x, advantages=a, response_mask=m, loss_agg_mode=how,
                config=actor_config(**more),
            )[0]  # fmt: skip

        yield option, ours("verl", option, b), gradient(b, made)


def openrlhf(b: Batch) -> Iterator[Pair]:
    """PolicyLoss."""
    policy_loss = import_module("openrlhf.models.loss").PolicyLoss
    options: dict[str, dict[str, Any]] = {
        "ppo": {},
        "ppo, token_level_loss=False": {"token_level_loss": False},
        "dual_clip=3": {"dual_clip": 3.0},
        "gspo": {"policy_loss_type": "gspo"},
    }
    for option, settings in options.items():
        rule = policy_loss(**settings)

        def made(x: Any, old: Any, a: Any, m: Any, rule: Any = rule) -> Any:
            return rule(x, old, a, action_mask=m)[0]

        yield option, ours("openrlhf", option, b), gradient(b, made)


def prime_rl(b: Batch) -> Iterator[Pair]:
    """The rl losses, sequence after sequence, over the tokens of the batch."""
    module = import_module("prime_rl.trainer.rl.loss")
    shared = {"adv_tau": 1.0, "kl_tau": 1e-3, "teacher_tau": 0.0}
    options = {
        "default": ("default_loss_fn", {"dppo_mask_low": 0.2, "dppo_mask_high": 0.2}),
        "ipo": ("ipo_loss_fn", {"ipo_threshold": 0.1}),
    }
    for option, (name, settings) in options.items():
        config = SimpleNamespace(**(shared | settings))

        def made(x: Any, old: Any, a: Any, m: Any, name: str = name, config: Any = config) -> Any:
            total = 0
            for i in range(len(x)):
                known = {"trainer_logprobs": x[i], "inference_logprobs": old[i]}
                known |= {"advantages": a[i], "loss_mask": m[i] > 0}
                names = [f.name for f in fields(module.LossInputs)]
                inputs = module.LossInputs(**{n: known.get(n) for n in names})
                total = total + getattr(module, name)(inputs, config).loss
            return total / m.sum()

        yield option, ours("prime_rl", option, b), gradient(b, made)


def nemo_rl(b: Batch) -> Iterator[Pair]:
    """The GRPO advantage estimator."""
    import torch

    module = import_module("nemo_rl.algorithms.advantage_estimator")
    for option, others, divide in (
        ("grpo", True, True),
        ("grpo_no_leave_one_out", False, True),
        ("grpo_no_normalize_rewards", True, False),
    ):
        settings = SimpleNamespace(use_leave_one_out_baseline=others, normalize_rewards=divide)
        rule = module.GRPOAdvantageEstimator(settings, SimpleNamespace())
        made = rule.compute_advantage(
            torch.arange(B).repeat_interleave(G)[:, None],
            torch.tensor(b.reward.reshape(-1)),
            torch.tensor(b.mask.reshape(-1, T)),
        )
        yield option, our_advantages("nemo_rl", option, b), made[:, 0].reshape(B, G).numpy()


PEERS: dict[str, Callable[[Batch], Iterator[Pair]]] = {
    "trl": trl,
    "verl": verl,
    "openrlhf": openrlhf,
    "nemo_rl": nemo_rl,
    "prime_rl": prime_rl,
}
BY_HAND = "verifiers: not compared: its trainer's loss is a method of a class that needs DeepSpeed"


def compared(peer: str, checkout: Path | None) -> int:
    """Print what one package says; the exit code it asks for."""
    folders = [] if checkout is None else [checkout / peer, checkout / "src" / peer]
    if checkout is not None and not any(f.is_dir() for f in folders):
        print(f"{peer}: no folder {peer} or src/{peer} in {checkout}")
        return 2
    if checkout is None and util.find_spec(peer) is None:
        print(f"{peer}: NOT INSTALLED and no checkout named ({peer}=FOLDER): nothing compared")
        return 0
    worst, b = 0.0, batch()
    try:
        with reachable(peer, checkout):
            for name, mine, theirs in PEERS[peer](b):
                apart = float(np.abs(mine - theirs).max())
                worst = max(worst, apart)
                print(f"{peer}: {name}: {apart:.1e}{'' if apart <= TOLERANCE else '  DIFFERS'}")
    except Exception as e:
        print(f"{peer}: found, but could not be run: {type(e).__name__}: {e}")
        return 2
    return 0 if worst <= TOLERANCE else 1


def main(arguments: list[str]) -> int:
    """Compare every package that is there."""
    named = dict(a.split("=", 1) for a in arguments)
    if unknown := sorted(set(named) - set(PEERS)):
        print(f"no such trainer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
        return 2
    codes = [
        compared(peer, Path(named[peer]).expanduser() if peer in named else None) for peer in PEERS
    ]
    print(BY_HAND)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
