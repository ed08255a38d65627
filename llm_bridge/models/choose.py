"""Which model a run trains: `tiny`, `smollm2`, a folder or a hub id, made ready as a folder.

A GGUF file is dequantised and saved once as safetensors, because a model loaded straight from it
counts as quantised and can be neither trained nor saved. Code that comes with a model is run only
if asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toyrl.bridge.models import tiny
from toyrl.bridge.models.load import ModelError
from toyrl.messages import shortened

SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
NAMES = ("tiny", "smollm2")


def prepare(
    name: str,
    *,
    gguf: Path | None = None,
    cache: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> str:
    """The folder (or hub id) from which transformers loads the model.

    name : "tiny", "smollm2", a folder, or an id on the hub; gguf : a file that holds the weights
    Raises ModelError for a file that can't be read, or a folder that holds no model.
    """
    if gguf is not None:
        return str(from_gguf(Path(gguf), cache=cache, tell=tell))
    if name == "tiny":
        return str(tiny.folder(cache=cache, tell=tell))
    if name == "smollm2":
        return SMOLLM2
    place = Path(name).expanduser()
    if place.is_dir() and not (place / "config.json").is_file():
        said = f"model={shortened(name)} is a folder without config.json"
        msg = f"{said}; name one that holds a causal model"
        raise ModelError(msg)
    return name


def from_gguf(
    file: Path, *, cache: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> Path:
    """A GGUF file as a folder of safetensors in the cache, converted once.

    Raises ModelError for a file that is missing or can't be read.
    """
    if not file.is_file():
        msg = f"gguf={str(file)!r} does not exist; name the file with the weights"
        raise ModelError(msg)
    stat = file.stat()
    key = hashlib.sha256(f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()
    place = (cache or tiny.cache_folder()) / f"{file.stem}-{key[:10]}"
    if place.exists() and not tiny.damage(place):
        return place
    tell(f"converting {file.name} to safetensors, once, in {place}")
    try:
        model, tokenizer = _load_gguf(file)
    except Exception as error:  # transformers and gguf raise many kinds
        first = str(error).strip().split("\n")[0]
        msg = f"gguf={str(file)!r} can't be read: {first}; name a GGUF file of a llama model"
        raise ModelError(msg) from error
    if place.exists():
        import shutil

        tell(f"the cached model {place} was damaged and is replaced")
        shutil.rmtree(place)
    tiny.save(model, tokenizer, place, {"gguf": file.name, "bytes": stat.st_size})
    return place


def _load_gguf(file: Path) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"gguf_file": file.name}
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
    model: Any = AutoModelForCausalLM.from_pretrained(
        file.parent,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
        **where,
    )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer
