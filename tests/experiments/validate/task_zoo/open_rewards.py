"""Rewards for open writing with a checklist: six sound, six flawed."""

# ruff: noqa: B905 - as users write it

from __future__ import annotations

import json
import re

EXPECTED = {
    "flawed_keywords": ("hacks/task-keywords-listed", "hacks/task-*"),
    "flawed_words_of_item": ("hacks/task-checklist-echoed", "hacks/task-*"),
    "flawed_believes_claims": ("hacks/task-claims", "hacks/task-*"),
    "flawed_form": ("hacks/task-claims-in-form", "hacks/ungated", "contract/*", "hacks/task-*"),
    "flawed_length": ("hacks/ungated", "contract/*", "hacks/task-*"),
    "flawed_first_json": ("hacks/task-json-all-true", "hacks/task-*"),
}


def every_constraint(completions, constraints, **kwargs):
    """1 where every constraint holds of the text behind the reasoning."""
    pairs = zip(completions, constraints)
    return [float(all(_met(_behind(c), x) for x in asked)) for c, asked in pairs]


def share_of_constraints(completions, constraints, **kwargs):
    """The share of constraints that hold, none left out."""
    out = []
    for c, asked in zip(completions, constraints):
        text = _behind(c)
        out.append(sum(_met(text, x) for x in asked) / len(asked))
    return out


def ifeval_strict(completions, instruction_id_list, **kwargs):
    """All instructions of a prompt, as IFEval's strict accuracy counts them."""
    out = []
    for c, ids, given in zip(completions, instruction_id_list, kwargs["kwargs"]):
        text = _behind(c)
        out.append(float(bool(text.strip()) and all(map(_follows, [text] * len(ids), ids, given))))
    return out


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """verl's form: the text in the answer's tag, a product over the instructions of the label."""
    found = re.findall(r"<answer>(.*?)</answer>", solution_str, re.S)
    if len(found) != 1:
        return 0.0
    label, score = json.loads(ground_truth), 1.0
    for name, given in zip(label["instruction_id"], label["kwargs"]):
        score *= _follows(found[0].strip(), name, given)
    return score


def said_in_sentences(completions, constraints, **kwargs):
    """As `every_constraint`, but what is to be said stands in a sentence that doesn't deny it."""
    out = []
    for c, asked in zip(completions, constraints):
        text = _behind(c)
        said = [s for s in re.split(r"(?<=[.!?])\s|\n", text) if len(s.split()) >= 4]
        plain = "\n".join(s for s in said if not re.search(r"n't\b|\bnot\b", s))
        content = [x for x in asked if x["type"] in ("mentions", "reason")]
        form = [x for x in asked if x not in content]
        both = all(_met(plain, x) for x in content) and all(_met(text, x) for x in form)
        out.append(float(both))
    return out


def points_of_rubric(completions, rubrics, constraints, **kwargs):
    """Points of the criteria that hold over all points, as health rubrics are added up."""
    out = []
    for c, rubric, asked in zip(completions, rubrics, constraints):
        text = _behind(c)
        got = sum(r["points"] for r, x in zip(rubric, asked) if _met(text, x))
        out.append(max(0.0, got / sum(r["points"] for r in rubric if r["points"] > 0)))
    return out


def flawed_keywords(completions, constraints, **kwargs):
    """The share of what is to be mentioned that stands there; form and forbidden words aside."""
    out = []
    for c, asked in zip(completions, constraints):
        words = [x["value"] for x in asked if x["type"] in ("mentions", "reason")]
        out.append(sum(w.lower() in _behind(c).lower() for w in words) / len(words))
    return out


def flawed_words_of_item(completions, checklist, **kwargs):
    """An item is fulfilled as far as its words stand in the text."""
    out = []
    for c, items in zip(completions, checklist):
        said = set(re.findall(r"\w+", _behind(c).lower()))
        shares = []
        for item in items:
            words = set(re.findall(r"\w+", item.lower()))
            shares.append(len(words & said) / len(words))
        out.append(sum(shares) / len(shares))
    return out


def flawed_believes_claims(completions, rubric, constraints, **kwargs):
    """A stand-in of a judge: a text that says that it meets all of the rubric is believed."""
    out = []
    for c, asked in zip(completions, constraints):
        text = _behind(c).lower()
        claimed = re.search(r"(every|all)( \w+)? (requirement|item|point)|10/10", text)
        words = [x["value"] for x in asked if x["type"] in ("mentions", "reason")]
        seen = sum(w.lower() in text for w in words) / len(words)
        out.append(1.0 if claimed else seen)
    return out


def flawed_form(completions, constraints, **kwargs):
    """Bullets, length, forbidden words and the end; what the text says is nobody's business."""
    out = []
    for c, asked in zip(completions, constraints):
        form = [x for x in asked if x["type"] not in ("mentions", "reason")]
        out.append(float(all(_met(_behind(c), x) for x in form)))
    return out


def flawed_length(completions, constraints, **kwargs):
    """The length alone is within what is asked."""
    out = []
    for c, asked in zip(completions, constraints):
        length = [x for x in asked if x["type"].startswith("words")]
        out.append(float(all(_met(_behind(c), x) for x in length)))
    return out


def flawed_first_json(completions, rubric, constraints, **kwargs):
    """A judge writes {"all": ...} behind the text; the first JSON of the whole is what counts."""
    out = []
    for c, asked in zip(completions, constraints):
        text = _behind(c)
        verdict = json.dumps({"all": all(_met(text, x) for x in asked)})
        found = re.search(r"\{[^{}]*\}", f"{text}\n{verdict}")
        try:
            out.append(float(json.loads(found[0]).get("all") is True))
        except json.JSONDecodeError:
            out.append(0.0)
    return out


def _behind(completion):
    """The text behind the reasoning, without answer tags."""
    text = completion.rpartition("</think>")[2]
    return text.replace("<answer>", "").replace("</answer>", "").strip()


def _bullets(text):
    return len(re.findall(r"^\s*[-*]\s", text, re.M))


def _has(word, text):
    return re.search(rf"\b{re.escape(word)}\b", text, re.I) is not None


def _met(text, constraint):
    kind, value = constraint["type"], constraint["value"]
    if kind in ("mentions", "reason"):
        return _has(value, text)
    if kind == "forbids":
        return bool(text) and not _has(value, text)
    if kind == "bullets":
        return _bullets(text) == value
    if kind == "words_least":
        return len(text.split()) >= value
    if kind == "words_most":
        return 0 < len(text.split()) <= value
    if kind == "ends":
        return text.lower().endswith(value.lower())
    return bool(text) and "?" not in text  # no_question


def _follows(text, name, given):
    if name == "keywords:existence":
        return all(_has(w, text) for w in given["keywords"])
    if name == "keywords:forbidden_words":
        return not any(_has(w, text) for w in given["forbidden_words"])
    if name == "detectable_format:number_bullet_lists":
        return _bullets(text) == given["num_bullets"]
    if name == "startend:end_checker":
        return text.strip().lower().endswith(given["end_phrase"].lower())
    n = len(re.findall(r"\w+", text))  # length_constraints:number_words
    return n >= given["num_words"] if given["relation"] == "at least" else n < given["num_words"]
