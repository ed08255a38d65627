"""Rewards for translation: six sound, six flawed."""

# ruff: noqa: B905 - as users write it

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter

EXPECTED = {
    "flawed_bag_of_words": ("hacks/task-shuffled", "hacks/task-names-swapped"),
    "flawed_no_brevity": ("hacks/task-frequent-word", "hacks/task-one-word", "hacks/task-half"),
    "flawed_contained": ("hacks/task-two-candidates", "hacks/task-one-a-line", "hacks/task-*"),
    "flawed_best_line": ("hacks/task-one-a-line",),
    "flawed_length_ratio": ("hacks/ungated", "hacks/task-*"),
    "flawed_copy_allowed": ("hacks/ungated", "hacks/task-source-*"),
}


def exact_match(completions, reference, tgt_lang, **kwargs):
    """The marked answer is the reference, but for case and punctuation."""
    return [float(_plain(_only(c)) == _plain(r)) for c, r in zip(completions, reference)]


def bleu4(completions, references, tgt_lang, **kwargs):
    """Sentence BLEU of four orders, smoothed, with the brevity penalty, on the marked answer."""
    return [_bleu(_words(_only(c)), [_words(r) for r in rs])
            for c, rs in zip(completions, references)]  # fmt: skip


def chrf_guarded(completions, src, ref, lp, **kwargs):
    """chrF of the marked answer; nothing for what holds the source's own words in a row."""
    out = []
    for c, s, r in zip(completions, src, ref):
        said = _only(c)
        copied = _plain(s) in _plain(said) or _chrf(said, s) > _chrf(said, r)
        out.append(0.0 if copied else _chrf(said, r))
    return out


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """verl's form: one <translate> block behind the thinking, format first, then chrF."""
    form = re.fullmatch(
        r"\s*<think>.*?</think>\s*<translate>(.*?)</translate>\s*", solution_str, re.DOTALL
    )
    if form is None or "<translate>" in form[1]:
        return -1.0
    return _chrf(form[1].strip(), ground_truth)


def best_of_references(completions, references, source_lang, target_lang, **kwargs):
    """The likest of several references, on the whole completion, at most half as long again."""
    out = []
    for c, rs in zip(completions, references):
        fits = [r for r in rs if 0.67 <= len(c) / len(r) <= 1.5]
        out.append(max((_chrf(c.strip(), r) for r in fits), default=0.0))
    return out


def rouge_l(completions, reference, target_language, **kwargs):
    """F1 of the longest common subsequence of words, in the marked answer."""
    out = []
    for c, r in zip(completions, reference):
        said, gold = _words(_only(c)), _words(r)
        common = _lcs(said, gold)
        out.append(2 * common / (len(said) + len(gold)))
    return out


def flawed_bag_of_words(completions, reference, tgt_lang, **kwargs):
    """F1 of words, wherever they stand."""
    out = []
    for c, r in zip(completions, reference):
        said, gold = _words(_only(c)), _words(r)
        common = sum((Counter(said) & Counter(gold)).values())
        out.append(2 * common / (len(said) + len(gold)))
    return out


def flawed_no_brevity(completions, reference, lp, **kwargs):
    """BLEU-1 without the brevity penalty: the share of its words that the reference has."""
    out = []
    for c, r in zip(completions, reference):
        said, gold = _words(_only(c)), _words(r)
        common = sum((Counter(said) & Counter(gold)).values())
        out.append(common / len(said) if said else 0.0)
    return out


def flawed_contained(completions, reference, source_lang, **kwargs):
    """The reference stands somewhere in the completion."""
    return [float(_plain(r) in _plain(c)) for c, r in zip(completions, reference)]


def flawed_best_line(completions, reference, lang_pair, **kwargs):
    """chrF of the best of the marked answer's lines, in case it says something around it."""
    out = []
    for c, r in zip(completions, reference):
        lines = [x.strip() for x in _last(c).splitlines() if x.strip()]
        out.append(max((_chrf(x, r) for x in lines), default=0.0))
    return out


def flawed_length_ratio(completions, reference, tgt_lang, **kwargs):
    """As long as the reference, in words, behind the right tags."""
    out = []
    for c, r in zip(completions, reference):
        said, gold = len(_words(_only(c))), len(_words(r))
        out.append(min(said, gold) / max(said, gold))
    return out


def flawed_copy_allowed(completions, src, mt_lang=None, lp=None, **kwargs):
    """Without a reference: the source's names and about its length are kept."""
    out = []
    for c, s in zip(completions, src):
        said = _only(c)
        names = [w.strip(".,") for w in s.split() if w[0].isupper()]
        kept = sum(n in said for n in names) / len(names) if names else 1.0
        out.append(kept if 0.6 < len(said) / len(s) < 1.7 else 0.0)
    return out


def _only(completion):
    found = re.findall(r"<answer>(.*?)</answer>", completion, re.S)
    return found[0].strip() if len(found) == 1 else ""


def _last(completion):
    found = re.findall(r"<answer>(.*?)</answer>", completion, re.S)
    return found[-1] if found else ""


def _plain(text):
    kept = (c if unicodedata.category(c)[0] in "LNS" else " " for c in text.casefold())
    return " ".join("".join(kept).split())


def _words(text):
    return re.findall(r"\w+|[^\w\s]", text)


def _bleu(said, golds):
    if not said:
        return 0.0
    logs = []
    for n in range(1, 5):
        grams = Counter(zip(*(said[k:] for k in range(n))))
        most = Counter()
        for gold in golds:
            most |= Counter(zip(*(gold[k:] for k in range(n))))
        hits, total = sum((grams & most).values()), sum(grams.values())
        if n == 1 and not hits:
            return 0.0
        logs.append(math.log((hits + (n > 1)) / (total + (n > 1))))
    nearest = min((len(g) for g in golds), key=lambda size: (abs(size - len(said)), size))
    brevity = min(0.0, 1 - nearest / len(said))
    return math.exp(brevity + sum(logs) / 4)


def _chrf(said, gold, beta=2.0):
    said, gold = "".join(said.split()), "".join(gold.split())
    scores = []
    for n in range(1, 7):
        a = Counter(said[i : i + n] for i in range(len(said) - n + 1))
        b = Counter(gold[i : i + n] for i in range(len(gold) - n + 1))
        if not a or not b:
            continue
        hits = sum((a & b).values())
        p, r = hits / sum(a.values()), hits / sum(b.values())
        scores.append((1 + beta**2) * p * r / (beta**2 * p + r) if hits else 0.0)
    return sum(scores) / 6


def _lcs(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        last = 0
        for j, y in enumerate(b):
            last, row[j + 1] = row[j + 1], last + 1 if x == y else max(row[j + 1], row[j])
    return row[-1]
