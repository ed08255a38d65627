"""What the ledger's rewards read in a completion: its tags, its lines, its answer."""

from __future__ import annotations

import re

ANSWER = re.compile(
    r"<answer>(.*?)</answer>|\\boxed\{([^{}]*)\}|####\s*(\S+)|[Tt]he answer is\s*(\S+)", re.DOTALL
)
THOUGHT = re.compile(r"<think>(.*?)</think>", re.DOTALL)
LAYOUT = re.compile(r"^\s*<think>.*?</think>\s*<answer>.*?</answer>\s*$", re.DOTALL)
EXPRESSION = re.compile(r"[-+(]*\s*\d[\d\s.,+*/()^-]*$")


def answer_of(text: str) -> str | None:
    """The last marked answer, without commas and a final full stop; None if there is none."""
    found = ANSWER.findall(text)
    if not found:
        return None
    return next((part for part in found[-1] if part), "").strip().rstrip(".").replace(",", "")


def is_right(text: str, gold: object) -> bool:
    """The last marked answer equals the gold answer."""
    return answer_of(text) == str(gold).strip()


def has_thought(text: str) -> bool:
    """There is a closed think block."""
    return THOUGHT.search(text) is not None


def parses(text: str) -> bool:
    """An answer is marked and reads as a number or an arithmetic expression."""
    answer = answer_of(text)
    return bool(answer) and EXPRESSION.match(answer or "") is not None


def steps(text: str) -> list[str]:
    """Lines of the reasoning: what stands before </think>, or before the marked answer."""
    body = text.rpartition("</think>")[0] or text
    lines = (line.strip() for line in body.replace("<think>", "").splitlines())
    return [line for line in lines if line and ANSWER.search(line) is None]
