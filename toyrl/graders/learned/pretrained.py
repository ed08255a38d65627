"""Classifiers of transformers from a folder: tokenizer and model, on the device that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from toyrl.extras import needed_by
from toyrl.messages import PATH, shortened


class Pretrained(NamedTuple):
    """torch, tokenizer, the model in evaluation, its device, and its longest input or None."""

    torch: Any
    tokenizer: Any
    model: Any
    device: str
    longest: int | None


def classifier(folder: str | Path, task: str, *, by: str, layout: str) -> Pretrained:
    """The classifier in a folder as `save_pretrained` writes it, of one or two labels.

    task : "sequence" or "token"; by : what it is for; layout : what the labels mean, and what to do
        with others, for messages

    Raises MissingExtra without torch and transformers, ValueError for a folder that holds no such
    model, or one of more than two labels.
    """
    with needed_by(f"{by} {folder}"):
        import torch
        import transformers
    auto = getattr(transformers, f"AutoModelFor{task.title()}Classification")
    shown = shortened(str(folder), PATH)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = auto.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        msg = (
            f"{shown} holds no {task}-classification model with a tokenizer ({error}); give a "
            "folder that save_pretrained wrote for both, or file.py:function"
        )
        raise ValueError(msg) from error
    labels = int(model.config.num_labels)
    if labels not in (1, 2):
        msg = f"{shown} has {labels} labels; {layout}"
        raise ValueError(msg)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.eval().to(device)
    longest = getattr(model.config, "max_position_embeddings", None)
    return Pretrained(torch, tokenizer, model, device, longest)
