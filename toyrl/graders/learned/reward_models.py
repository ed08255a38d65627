"""A reward model on disk: a sequence classifier of transformers, one number for a whole text.

With one label its number is the score, as reward models give it; with two the log odds of the
second (the text is good). Prompt and completion go through the tokenizer's chat template where it
has one, else as one text; more labels need a function of one's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toyrl.graders.learned.pretrained import classifier

LAYOUT = (
    "a reward model has one number, or bad and good, so give file.py:function that reads it as "
    "you do"
)


class SequenceClassifier:
    """Scores of completions by a folder with a sequence-classification model and its tokenizer.

    folder : as `save_pretrained` writes it

    Runs on the current CUDA device where there is one. Inputs are cut at the model's longest, from
    the left, so that the end is read. Raises MissingExtra without torch and transformers,
    ValueError for a folder that holds no such model, or one of more than two labels.
    """

    def __init__(self, folder: str | Path) -> None:
        self._torch, self._tokenizer, self._model, self._device, self._longest = classifier(
            folder, "sequence", by="the reward model", layout=LAYOUT
        )

    def __call__(self, texts: Sequence[tuple[str, str]]) -> list[float]:
        """One score for each (prompt, completion)."""
        torch = self._torch
        out = []
        for prompt, completion in texts:
            ids = self._ids(prompt, completion)
            kept = ids if self._longest is None else ids[-int(self._longest) :]
            with torch.no_grad():
                told = torch.tensor([kept or [0]], device=self._device)
                logits = self._model(input_ids=told).logits[0].double().cpu()
            out.append(float(logits[0] if logits.shape[-1] == 1 else logits[1] - logits[0]))
        return out

    def _ids(self, prompt: str, completion: str) -> list[int]:
        if getattr(self._tokenizer, "chat_template", None):
            said = [
                {"role": "user", "content": prompt},
                {"role": "assistant", "content": completion},
            ]
            return list(self._tokenizer.apply_chat_template(said, tokenize=True, return_dict=False))
        return list(self._tokenizer(f"{prompt}\n{completion}")["input_ids"])
