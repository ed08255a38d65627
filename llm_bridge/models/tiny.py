"""`tiny`: a character-level Llama of about a million parameters, trained here in two minutes.

It reads and writes the chain in shorthand (`toyrl.worlds.text.shorthand`): pretraining texts come
from random policies that skip steps and dawdle, so that lengths spread and rewards have something
to choose from. It answers most easy and few hard problems. Built once, on the CPU, then kept in the
cache folder with checksums; a damaged copy is built anew.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toyrl.files import clear_leftovers, temporary, write_file
from toyrl.worlds.text import shorthand
from toyrl.worlds.text.problems import make_problem

SPECIAL = ("<pad>", "<eos>", "<unk>")
PAD, EOS = 0, 1
IGNORED = -100
MANIFEST = "toyrl-model.json"
FIRST_SEED = 10_000_000
"""Problems of pretraining have seeds from here on; tasks stay below."""
LARGEST = 10
"""Values stay in 1..10: a table small enough to be learnt in two minutes."""
WINDOW = 8  # batches that are drawn together and sorted by length, so that little is padding


@dataclass(frozen=True)
class Recipe:
    """Architecture and pretraining; its hash names the folder in the cache."""

    hidden: int = 128
    layers: int = 5
    heads: int = 4
    feed_forward: int = 344
    steps: int = 450
    batch: int = 64
    rate: float = 3e-3
    difficulties: tuple[int, ...] = (1, 1, 2, 2, 3, 4, 5)
    fill: float = 0.3
    jump: float = 0.1
    seed: int = 0

    @property
    def key(self) -> str:
        """Ten characters that differ where anything of the recipe does."""
        text = json.dumps([asdict(self), shorthand.ALPHABET, LARGEST])
        return hashlib.sha256(text.encode()).hexdigest()[:10]


def cache_folder() -> Path:
    """$TOYRL_CACHE, else the user's cache folder of this system."""
    from platformdirs import user_cache_path

    own = os.environ.get("TOYRL_CACHE")
    return Path(own) if own else user_cache_path("toyrl")


def folder(
    recipe: Recipe | None = None,
    *,
    cache: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """The folder of the trained model, built first where it is missing or damaged.

    tell : hears one line per stage, and when a damaged copy is replaced
    """
    recipe = recipe or Recipe()
    place = (cache or cache_folder()) / f"tiny-{recipe.key}"
    if place.exists():
        trouble = damage(place)
        if not trouble:
            return place
        tell(f"the cached model {place} is damaged ({trouble}); building it anew")
        shutil.rmtree(place)
    tell("training the model `tiny` once (about two minutes on two CPU cores)")
    start = time.perf_counter()
    made = pretrain(recipe, tell=tell)
    save(made, character_tokenizer(), place, asdict(recipe))
    tell(f"trained `tiny` in {time.perf_counter() - start:.0f} s; it is kept in {place}")
    return place


def save(model: Any, tokenizer: Any, place: Path, about: dict[str, Any]) -> None:
    """Model, tokenizer and manifest of checksums, under a temporary name and then renamed."""
    place.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(place)
    fresh = place.with_name(f"{temporary(place)}model")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        sums = {p.name: _sum(p) for p in sorted(fresh.iterdir())}
        write_file(fresh / MANIFEST, json.dumps({"about": about, "sha256": sums}, indent=1))
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


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
        vocab_size=len(SPECIAL) + len(shorthand.ALPHABET),
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
                tell(f"tiny: step {step + 1} of {recipe.steps}, loss {loss.item():.3f}")
    return model.eval()


def _schedule(step: int, steps: int) -> float:
    """Linear warm-up over 30 steps, then a cosine down to 3 %."""
    return min(1.0, (step + 1) / 30) * (
        0.03 + 0.97 * (0.5 + 0.5 * math.cos(math.pi * step / steps))
    )


def _batches(recipe: Recipe) -> Iterator[tuple[Any, Any]]:
    """(ids, labels) without end; the prompts' own tokens are not learnt."""
    index = {c: i for i, c in enumerate((*SPECIAL, *shorthand.ALPHABET))}
    rng = random.Random(recipe.seed)
    while True:
        rows = []
        for _ in range(WINDOW * recipe.batch):
            problem = make_problem(
                rng.choice(recipe.difficulties), FIRST_SEED + rng.randrange(10**8), LARGEST
            )
            text = shorthand.sample(problem, rng, fill=recipe.fill, jump=recipe.jump)
            asked = [index[c] for c in shorthand.prompt(problem)]
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
