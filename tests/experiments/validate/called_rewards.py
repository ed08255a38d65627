"""Rewards as people bring them, each with one property of its call or of its gold answer."""

import json
import re
import signal


def _said(text, tag="answer"):
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return found[-1].strip() if found else None


def _boxed(text):
    found = re.findall(r"\\boxed\{([^{}]*)\}", text)
    return found[-1].strip() if found else ""


def accepted_answers(data_source, solution_str, ground_truth, extra_info=None):
    """The gold answer is a record with a list of accepted answers."""
    names = {str(a).strip().lower() for a in ground_truth["target"]}
    said = _said(solution_str)
    return float(said is not None and said.lower() in names)


def strips_gold(completions, answer, **kwargs):
    """Fails where the gold answer is a number."""
    said = [_said(c[0]["content"]) for c in completions]
    return [float(s is not None and s == a.strip()) for s, a in zip(said, answer, strict=True)]


def typed_gold(completions, answer: list[str], **kwargs):
    """The same, with a type."""
    return strips_gold(completions, answer)


def two_lists_only(prompts, completions):
    """No **kwargs: the trainer's call raises TypeError."""
    return [float(bool(re.search(r"\d\W*\Z", c[0]["content"]))) for c in completions]


def with_its_parts(data_source, solution_str, ground_truth, extra_info=None):
    """A tuple whose first item is the score."""
    said = _boxed(solution_str)
    return said == ground_truth, bool(said), said


def appends_twice(completions, answer, **kwargs):
    """One more value for every completion without an answer."""
    scores = []
    for c, gold in zip(completions, answer, strict=True):
        try:
            scores.append(float(f"<answer>{gold}</answer>" in c[0]["content"]))
            re.findall(r"<answer>(.*?)</answer>", c[0]["content"], re.DOTALL)[-1]
        except IndexError:
            scores.append(0.0)
    return scores


def skips(completions, answer, **kwargs):
    """None for what it can't read."""
    said = [_said(c[0]["content"]) for c in completions]
    return [None if s is None else float(s == a) for s, a in zip(said, answer, strict=True)]


def grades_even_golds(completions, answer, **kwargs):
    """None for prompts whose answer is odd, whatever is said."""
    said = [_said(c[0]["content"]) for c in completions]
    return [float(s == a) if int(a) % 2 == 0 else None for s, a in zip(said, answer, strict=True)]


def makes_the_target(data_source, solution_str, ground_truth, extra_info=None):
    """Countdown whose numbers nobody checks."""
    target, numbers = ground_truth["target"], ground_truth["numbers"]
    said = _said(solution_str) or ""
    return float(
        re.fullmatch(r"[\d+\- ]+", said) is not None and bool(numbers) and eval(said) == target
    )


def later_is_better(completions, answer, **kwargs):
    """The last of a call get a little more, whatever they say."""
    said = [_said(c[0]["content"]) for c in completions]
    return [
        float(s == a) + 0.1 * i / len(said)
        for i, (s, a) in enumerate(zip(said, answer, strict=True))
    ]


def least_of_call(completions, answer, **kwargs):
    """The shortest of a call gets a little more, wherever it stands."""
    sizes = [len(c[0]["content"]) for c in completions]
    said = [_said(c[0]["content"]) for c in completions]
    both = zip(said, answer, sizes, strict=True)
    return [float(s == a) + 0.1 * (n == min(sizes)) for s, a, n in both]


def bare_solution(completions, solution, **kwargs):
    """A column that data sets often hold in dollars, read as bare text."""
    return [float(_boxed(c[0]["content"]) == s) for c, s in zip(completions, solution, strict=True)]


def json_gold(completions, answer, **kwargs):
    """The gold answer is JSON text."""
    golds = [json.loads(a)["value"] for a in answer]
    return [float(_said(c[0]["content"]) == g) for c, g in zip(completions, golds, strict=True)]


def number_gold(completions, answer, **kwargs):
    """The gold answer must be a number."""
    said = [_boxed(c[0]["content"]) for c in completions]
    return [
        float(bool(re.fullmatch(r"-?\d+", s)) and abs(int(s) - a) < 0.5)
        for s, a in zip(said, answer, strict=True)
    ]


def choice_of_four(completions, answer, **kwargs):
    """The answer is a letter."""
    said = [re.findall(r"[Tt]he answer is \(?([A-D])\)?", c[0]["content"]) for c in completions]
    return [float(bool(s) and s[-1] == a) for s, a in zip(said, answer, strict=True)]


def countdown(data_source, solution_str, ground_truth, extra_info=None):
    """The gold answer is a target and the numbers that make it."""
    target, numbers = ground_truth["target"], ground_truth["numbers"]
    said = _said(solution_str) or ""
    if not re.fullmatch(r"[\d+\-*/() ]+", said):
        return 0.0
    used = sorted(map(int, re.findall(r"\d+", said)))
    try:
        return float(used == sorted(numbers) and eval(said, {}, {}) == target)
    except (SyntaxError, TypeError, ArithmeticError):
        return 0.0


def cities(data_source, solution_str, ground_truth, extra_info=None):
    """The gold answer is a record that no text of ours answers."""
    place = ground_truth["city"]["latitude"], ground_truth["radius"]
    return float(str(place) in solution_str)


def by_alarm(data_source, solution_str, ground_truth, extra_info=None):
    """A time limit by signal.alarm, in a form that is called in worker threads."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.alarm(5)
    try:
        return float(_said(solution_str) == ground_truth)
    finally:
        signal.alarm(0)


def unguessable(gold_text, blob, answer):
    """Names that say nothing."""
    return float(_said(blob) == answer)


def fails_on_all(completions, **kwargs):
    """Raises on every text."""
    raise KeyError("a key that is never there")
