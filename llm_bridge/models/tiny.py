"""Character-level Llamas trained here in minutes; `tiny`, of a million parameters, is the first.

A recipe names a task in a few characters (`toyrl.worlds.text.scripts`) and the habits of the random
policies that write its pretraining texts. Those of `tiny` do the chain in shorthand, skip steps and
dawdle, so that lengths spread and rewards have something to choose from; it answers most easy and
few hard problems. A model is built once, on the CPU, then kept in the cache folder with checksums;
a damaged copy is built anew.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from toyrl.files import clear_leftovers, temporary, write_file
from toyrl.worlds.text import habits, shorthand
from toyrl.worlds.text.habits import Habits
from toyrl.worlds.text.script import Script
from toyrl.worlds.text.scripts import SCRIPTS

SPECIAL = ("<pad>", "<eos>", "<unk>")
PAD, EOS = 0, 1
IGNORED = -100
MANIFEST = "toyrl-model.json"
FIRST_SEED = 10_000_000
"""Problems of pretraining have seeds from here on; tasks stay below."""
WINDOW = 8  # batches that are drawn together and sorted by length, so that little is padding


DAWDLING = Habits(fill=0.3, jump=0.1)


@dataclass(frozen=True)
class Recipe:
    """Architecture and pretraining; the hash of what isn't at its default names its folder.

    task : of `scripts.SCRIPTS`; difficulties : drawn from evenly
    habits : of the policies that write; hard : those at the largest difficulty, None: the same
    """

    hidden: int = 128
    layers: int = 5
    heads: int = 4
    feed_forward: int = 344
    steps: int = 450
    batch: int = 64
    rate: float = 3e-3
    difficulties: tuple[int, ...] = (1, 1, 2, 2, 3, 4, 5)
    task: str = "shorthand"
    habits: Habits = DAWDLING
    hard: Habits | None = None
    seed: int = 0

    @property
    def key(self) -> str:
        """Ten characters that differ where anything of the recipe does."""
        text = json.dumps([_chosen(self), self.script.alphabet, shorthand.LARGEST])
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    @property
    def script(self) -> Script:
        """The task's own part."""
        return SCRIPTS[self.task]

    def completion(self, difficulty: int, problem: Any, rng: random.Random) -> str:
        """One pretraining text."""
        hardest = self.hard is not None and difficulty == max(self.difficulties)
        how = self.hard if hardest and self.hard is not None else self.habits
        return habits.sample(self.script, problem, rng, how)


def _chosen(settings: Any) -> dict[str, Any]:
    """What differs from the defaults, so that a field that is added renames no older model."""
    out = {}
    for f in fields(settings):
        value = getattr(settings, f.name)
        if value != f.default:
            out[f.name] = _chosen(value) if is_dataclass(value) else value
    return out


def cache_folder() -> Path:
    """$TOYRL_CACHE, else the user's cache folder of this system."""
    from platformdirs import user_cache_path

    own = os.environ.get("TOYRL_CACHE")
    return Path(own) if own else user_cache_path("toyrl")


def folder(
    recipe: Recipe | None = None,
    *,
    name: str = "tiny",
    look: Callable[[Any, Any], Mapping[str, Any]] = lambda *_: {},
    cache: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """The folder of the trained model, built first where it is missing or damaged.

    name : what it is called in the cache
    look : (network, tokenizer) of a model just built -> what its manifest says beside the recipe;
        what it raises keeps the model out of the cache
    tell : hears one line per stage, and when a damaged copy is replaced
    """
    recipe = recipe or Recipe()
    place = (cache or cache_folder()) / f"{name}-{recipe.key}"
    if place.exists():
        trouble = damage(place)
        if not trouble:
            return place
        tell(f"the cached model {place} is damaged ({trouble}); building it anew")
        shutil.rmtree(place)
    tell(f"training the model `{name}` once (a few minutes of one or two CPU cores)")
    start = time.perf_counter()
    made = pretrain(recipe, tell=lambda line: tell(f"{name}: {line}"))
    tokenizer = character_tokenizer(recipe.script.alphabet)
    save(made, tokenizer, place, {**asdict(recipe), **look(made, tokenizer)})
    tell(f"trained `{name}` in {time.perf_counter() - start:.0f} s; it is kept in {place}")
    return place


def save(model: Any, tokenizer: Any, place: Path, about: dict[str, Any]) -> None:
    """Model, tokenizer and manifest of checksums, under a temporary name and then renamed.

    A whole model that another process has put there meanwhile stays.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(place)
    fresh = place.with_name(f"{temporary(place)}model")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        sums = {p.name: _sum(p) for p in sorted(fresh.iterdir())}
        write_file(fresh / MANIFEST, json.dumps({"about": about, "sha256": sums}, indent=1))
        if not place.exists() or damage(place):
            fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def about(place: Path) -> dict[str, Any]:
    """What a saved model's manifest says of it; OSError or ValueError for a damaged one."""
    return json.loads((place / MANIFEST).read_text(encoding="utf-8"))["about"]


def damage(place: Path) -> str:
    """What is wrong with a saved model, or ""."""
    try:
        sums = json.loads((place / MANIFEST).read_text(encoding="utf-8"))["sha256"]
        wrong = [name for name, value in sums.items() if _sum(place / name) != value]
    except (OSError, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    return f"checksum of {wrong[0]}" if wrong else ""


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def character_tokenizer(alphabet: str = shorthand.ALPHABET) -> Any:
    """Characters as tokens, with <pad>, <eos> and <unk>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = [*SPECIAL, *alphabet]
    core: Any = Tokenizer(models.WordLevel({n: i for i, n in enumerate(names)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    core.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def network(recipe: Recipe) -> Any:
    """The untrained network."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=len(SPECIAL) + len(recipe.script.alphabet),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.feed_forward,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=512,
        pad_token_id=PAD,
        eos_token_id=EOS,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def pretrain(recipe: Recipe, *, tell: Callable[[str], None] = lambda _: None) -> Any:
    """The trained network: completions given prompts, AdamW with a cosine schedule.

    Deterministic for one machine and number of threads; global random states are left alone.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        model = network(recipe)
        optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.01, betas=(0.9, 0.98))
        for step, (ids, labels) in zip(range(recipe.steps), _batches(recipe), strict=False):
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate * _schedule(step, recipe.steps)
            loss = model(input_ids=ids, labels=labels).loss
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            if (step + 1) % 100 == 0:
                tell(f"step {step + 1} of {recipe.steps}, loss {loss.item():.3f}")
    return model.eval()


def _schedule(step: int, steps: int) -> float:
    """Linear warm-up over 30 steps, then a cosine down to 3 %."""
    return min(1.0, (step + 1) / 30) * (
        0.03 + 0.97 * (0.5 + 0.5 * math.cos(math.pi * step / steps))
    )


def _batches(recipe: Recipe) -> Iterator[tuple[Any, Any]]:
    """(ids, labels) without end; the prompts' own tokens are not learnt."""
    script = recipe.script
    index = {c: i for i, c in enumerate((*SPECIAL, *script.alphabet))}
    rng = random.Random(recipe.seed)
    while True:
        rows = []
        for _ in range(WINDOW * recipe.batch):
            difficulty = rng.choice(recipe.difficulties)
            problem = script.make(difficulty, FIRST_SEED + rng.randrange(10**8))
            text = recipe.completion(difficulty, problem, rng)
            asked = [index[c] for c in script.prompt(problem)]
            rows.append((asked, [*(index[c] for c in text), EOS]))
        rows.sort(key=lambda row: len(row[0]) + len(row[1]))
        order = list(range(WINDOW))
        rng.shuffle(order)
        for i in order:
            yield _padded(rows[i * recipe.batch : (i + 1) * recipe.batch])


def _padded(rows: list[tuple[list[int], list[int]]]) -> tuple[Any, Any]:
    import torch

    width = max(len(a) + len(b) for a, b in rows)
    ids = torch.full((len(rows), width), PAD)
    labels = torch.full((len(rows), width), IGNORED)
    for i, (asked, answer) in enumerate(rows):
        ids[i, : len(asked) + len(answer)] = torch.tensor(asked + answer)
        labels[i, len(asked) : len(asked) + len(answer)] = torch.tensor(answer)
    return ids, labels
