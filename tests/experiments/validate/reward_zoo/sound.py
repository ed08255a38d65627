"""Sound rewards: one reader, one comparison, one scale, some style at a small weight.

A sound reward pays every text that it reads as right more than every text that it doesn't: the
weights of its styles, each in 0..1, add up to less than half of what right is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.experiments.validate.reward_zoo import readers as r

Value = float | None
After = Callable[[str | None, str, bool, Any], Any]
"""(prompt, text, right?, value) -> value"""
Whole = Callable[[list[str], list[Any]], list[Any]]
"""(texts of the call, values) -> values"""


@dataclass(frozen=True)
class Reward:
    """A reward function, in parts that a flaw can change one of.

    dialect : what its texts look like (`readers.TEMPLATES`); form : how it is called (`FORMS`)
    marks, pick, equal : every answer it finds, the one that counts, and whether that is right
    right, wrong : what is paid
    style : (weight, style) terms; gated : they go to right answers only
    every : any right mark will do (flaws only)
    after, whole : changes of a text's value and of a call's values (flaws only)
    """

    name: str
    dialect: str
    form: str
    marks: r.Marks
    pick: r.Pick = r.last
    equal: r.Equal = r.exact
    right: float = 1.0
    wrong: float = 0.0
    style: tuple[tuple[float, r.Style], ...] = ()
    gated: bool = False
    every: bool = False
    after: tuple[After, ...] = ()
    whole: tuple[Whole, ...] = ()

    def is_right(self, text: str, gold: str) -> bool:
        """The answer that counts equals gold."""
        found = self.marks(text)
        if self.every:
            return any(self.equal(said, gold) for said in found)
        said = self.pick(found)
        return said is not None and self.equal(said, gold)

    def value(self, prompt: str | None, text: str, gold: str) -> Any:
        """What one text is paid."""
        right = self.is_right(text, gold)
        value: Any = self.right if right else self.wrong
        if right or not self.gated:
            value += sum(weight * style(text) for weight, style in self.style)
        for change in self.after:
            value = change(prompt, text, right, value)
        return value

    def values(self, prompts: Sequence[str | None], texts: list[str], golds: Sequence[str]) -> Any:
        """What the texts of one call are paid."""
        got: Any = [self.value(*row) for row in zip(prompts, texts, golds, strict=True)]
        for change in self.whole:
            got = change(texts, got)
        return got


# -- forms: how a reward is called -----------------------------------------------------------------
def _plain(x: Reward) -> Callable[..., Any]:
    def reward(text, answer):
        return x.values([None], [text], [answer])[0]

    return reward


def _response(x: Reward) -> Callable[..., Any]:
    def reward(response, ground_truth):
        return x.values([None], [response], [ground_truth])[0]

    return reward


def _asked(x: Reward) -> Callable[..., Any]:
    def reward(prompt, completion, answer):
        return x.values([prompt], [completion], [answer])[0]

    return reward


def _trl(x: Reward) -> Callable[..., Any]:
    def reward(completions, answer, **kwargs):
        return x.values([None] * len(completions), completions, answer)

    return reward


def _trl_solution(x: Reward) -> Callable[..., Any]:
    def reward(completions, solution, **kwargs):
        return x.values([None] * len(completions), completions, solution)

    return reward


def _trl_prompts(x: Reward) -> Callable[..., Any]:
    def reward(prompts, completions, answer, **kwargs):
        return x.values(prompts, completions, answer)

    return reward


def _trl_chat(x: Reward) -> Callable[..., Any]:
    def reward(completions, answer, **kwargs):
        texts = [messages[0]["content"] for messages in completions]
        return x.values([None] * len(texts), texts, answer)

    return reward


def _verl(x: Reward) -> Callable[..., Any]:
    def compute_score(data_source, solution_str, ground_truth, extra_info=None):
        return x.values([None], [solution_str], [ground_truth])[0]

    return compute_score


def _verl_batch(x: Reward) -> Callable[..., Any]:
    def compute_score(data_sources, solution_strs, ground_truths, extra_infos):
        return x.values([None] * len(solution_strs), solution_strs, ground_truths)

    return compute_score


def _plain_free(x: Reward) -> Callable[..., Any]:
    def reward(text):
        return x.values([None], [text], [""])[0]

    return reward


def _trl_free(x: Reward) -> Callable[..., Any]:
    def reward(completions, **kwargs):
        n = len(completions)
        return x.values([None] * n, completions, [""] * n)

    return reward


FORMS: dict[str, Callable[[Reward], Callable[..., Any]]] = {
    "plain": _plain,
    "response": _response,
    "asked": _asked,
    "trl": _trl,
    "trl_solution": _trl_solution,
    "trl_prompts": _trl_prompts,
    "trl_chat": _trl_chat,
    "verl": _verl,
    "verl_batch": _verl_batch,
    "plain_free": _plain_free,
    "trl_free": _trl_free,
}
BATCHES = ("trl", "trl_solution", "trl_prompts", "trl_chat", "verl_batch", "trl_free")


def build(x: Reward) -> Callable[..., Any]:
    """The function that a trainer would be given."""
    return FORMS[x.form](x)


def call(x: Reward, prompt: str, texts: list[str], gold: str) -> Any:
    """Call the function on texts of one prompt in its own form; a list if it keeps the contract."""
    f, n = build(x), len(texts)
    batch: dict[str, dict[str, Any]] = {
        "trl": {"completions": texts, "answer": [gold] * n},
        "trl_solution": {"completions": texts, "solution": [gold] * n},
        "trl_prompts": {"prompts": [prompt] * n, "completions": texts, "answer": [gold] * n},
        "trl_chat": {
            "completions": [[{"role": "assistant", "content": t}] for t in texts],
            "answer": [gold] * n,
        },
        "trl_free": {"completions": texts, "answer": [gold] * n},
        "verl_batch": {
            "data_sources": ["zoo"] * n,
            "solution_strs": texts,
            "ground_truths": [gold] * n,
            "extra_infos": [{}] * n,
        },
    }
    if x.form in batch:
        return f(**batch[x.form])
    single: dict[str, Callable[[str], Any]] = {
        "plain": lambda t: f(t, gold),
        "response": lambda t: f(t, gold),
        "asked": lambda t: f(prompt, t, gold),
        "verl": lambda t: f("zoo", t, gold),
        "plain_free": f,
    }
    return [single[x.form](t) for t in texts]


# -- the sound ones --------------------------------------------------------------------------------
TAGGED = r.after_think(r.tags)
BOXED_AFTER = r.after_think(r.boxes)
LISTED: tuple[Reward, ...] = (
    # tags
    Reward("tag-last", "tag", "plain", r.tags),
    Reward("tag-only", "tag", "trl", r.tags, r.only),
    Reward("tag-after-think", "tag", "trl_chat", TAGGED, r.only, right=2.0),
    Reward("tag-layout", "tag", "verl", r.layout, r.only),
    Reward("tag-whole", "tag", "response", r.tags, r.last, r.whole, wrong=-1.0),
    Reward("tag-decimal", "tag", "trl_prompts", r.tags, r.only, r.decimal),
    Reward("tag-format", "tag", "trl", r.tags, r.last, style=((0.1, r.has_layout),)),
    Reward("tag-count", "tag", "trl_chat", TAGGED, r.last, style=((0.25, r.tags_once),)),
    Reward("tag-agreed", "tag", "asked", r.tags, r.agreed, r.tidy),
    Reward("tag-brief", "tag", "trl", r.tags, r.only, style=((0.3, r.brief),), gated=True),
    # boxes
    Reward("box-last", "boxed", "trl", r.boxes),
    Reward("box-only", "boxed", "verl", r.boxes, r.only),
    Reward("box-tidy", "boxed", "plain", r.boxes, r.last, r.tidy, wrong=-0.5),
    Reward("box-ratio", "boxed", "verl_batch", r.boxes, r.only, r.ratio),
    Reward("box-close", "boxed", "response", r.boxes, r.last, r.close),
    Reward("box-steps", "boxed", "trl", r.boxes, r.only, r.whole, style=((0.2, r.step_lines),)),
    Reward("box-percent", "boxed", "asked", r.boxes, r.last, r.whole, right=100.0),
    Reward("box-final-line", "boxed", "plain", r.line_last(r.boxes), r.only),
    # boxes behind the reasoning
    Reward("think-box", "think_boxed", "verl", BOXED_AFTER, r.last, right=1.0, wrong=-1.0),
    Reward("think-box-only", "think_boxed", "trl", BOXED_AFTER, r.only, r.tidy),
    Reward(
        "think-box-format",
        "think_boxed",
        "trl_prompts",
        BOXED_AFTER,
        style=((0.1, r.thinks), (0.1, r.boxed_once)),
    ),
    Reward("think-box-start", "think_boxed", "plain", r.boxes, style=((0.2, r.starts_thinking),)),
    # ####
    Reward("hash-last", "gsm8k", "verl", r.hashes),
    Reward("hash-only", "gsm8k", "trl", r.hashes, r.only, r.decimal),
    Reward("hash-number", "gsm8k", "verl_batch", r.hash_numbers, r.last, r.whole),
    Reward("hash-solution", "gsm8k", "trl_solution", r.hashes, r.last, r.tidy),
    Reward("hash-limit", "gsm8k", "response", r.hashes, style=((0.3, r.within_limit),), gated=True),
    Reward("hash-final-line", "gsm8k", "plain", r.line_last(r.hashes), r.only, right=3.0),
    # sentences
    Reward("prose-last", "prose", "plain", r.sentences),
    Reward("prose-only", "prose", "trl", r.sentences, r.only, r.whole),
    Reward("prose-english", "prose", "asked", r.sentences, style=((0.1, r.english),)),
    Reward("prose-close", "prose", "verl", r.sentences, r.last, r.close, right=1.0, wrong=-1.0),
    # any of four marks, and two formats that are written nowhere in toyrl
    Reward("mark-last", "tag", "trl_chat", r.any_mark),
    Reward("mark-agreed", "boxed", "verl", r.any_mark, r.agreed),
    Reward("json-last", "json", "trl", r.objects, r.last, r.whole),
    Reward("final-last", "final", "plain", r.finals, r.last, r.tidy),
)
SOUND: dict[str, Reward] = {x.name: x for x in LISTED}
