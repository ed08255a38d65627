"""IFEval's instructions: whether a text follows one, by the rules of the published checker.

Each is named by an id and has arguments, as in the columns `instruction_id_list` and `kwargs`.
Counts of sentences split at full stops, question and exclamation marks, where the published checker
asks a trained splitter. `language:response_language` needs a model of languages and isn't here.

Source: Zhou et al. 2023 (arXiv 2311.07911), appendix; written anew from its list of instructions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toyrl.worlds.text.tasks.base import TaskError

Arguments = Mapping[str, Any]
YES_NO = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
STARS = re.compile(r"\s?\*{3}\s?")


def follows(text: str, name: str, given: Arguments) -> bool:
    """Whether a text follows the instruction; an empty text follows none.

    Raises TaskError for an id that isn't one of `CHECKS`, and for arguments that it lacks.
    """
    check_instruction(name, given)
    return bool(text.strip()) and bool(CHECKS[name][0](text, given))


def check_instruction(name: str, given: Arguments) -> None:
    """TaskError for an unknown id, and for an argument that is missing."""
    if name not in CHECKS:
        msg = f"{name!r} is no instruction that can be checked here; there are {', '.join(CHECKS)}"
        raise TaskError(msg)
    for key, kind in CHECKS[name][1].items():
        value = given.get(key)
        if isinstance(value, float) and value.is_integer() and kind is int:
            continue
        if not isinstance(value, kind) or isinstance(value, bool) or value in ("", []):
            said = {int: "a whole number", str: "a text", list: "a list of texts"}[kind]
            msg = f"{name} needs {key}, {said}; it has {dict(given)}"
            raise TaskError(msg)


def compared(count: int, asked: float, relation: Any) -> bool:
    """A count against what is asked, "less than" or "at least" (what no relation means)."""
    return count < asked if relation == "less than" else count >= asked


def words(text: str) -> int:
    """Runs of letters and digits."""
    return len(re.findall(r"\w+", text))


def bullets(text: str) -> int:
    """Lines that begin with - or with a single *."""
    return len(re.findall(r"^\s*(?:\*[^*]|-)", text, re.MULTILINE))


def sentences(text: str) -> int:
    """Pieces between full stops, question and exclamation marks and line ends."""
    return sum(any(c.isalnum() for c in piece) for piece in re.split(r"[.!?\n]+", text))


def has_word(text: str, word: str) -> bool:
    """Whether a word or phrase stands there as a whole, in any case."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


# -- one function an instruction -------------------------------------------------------------------
def _keywords(text: str, a: Arguments) -> bool:
    return all(str(k).lower() in text.lower() for k in a["keywords"])


def _frequency(text: str, a: Arguments) -> bool:
    count = text.lower().count(a["keyword"].lower())
    return compared(count, a["frequency"], a.get("relation"))


def _forbidden(text: str, a: Arguments) -> bool:
    return not any(has_word(text, str(w)) for w in a["forbidden_words"])


def _letters(text: str, a: Arguments) -> bool:
    count = text.lower().count(a["letter"].lower())
    return compared(count, a["let_frequency"], a.get("let_relation"))


def _sentences(text: str, a: Arguments) -> bool:
    return compared(sentences(text), a["num_sentences"], a.get("relation"))


def _words(text: str, a: Arguments) -> bool:
    return compared(words(text), a["num_words"], a.get("relation"))


def _outer_blank_off(pieces: Sequence[str]) -> list[str]:
    """The pieces without a blank first and last one."""
    kept = list(pieces)
    kept = kept if kept[0].strip() else kept[1:]
    return kept if not kept or kept[-1].strip() else kept[:-1]


def _paragraphs(text: str, a: Arguments) -> bool:
    pieces = _outer_blank_off(STARS.split(text))
    return all(p.strip() for p in pieces) and len(pieces) == a["num_paragraphs"]


def _first_word(text: str, a: Arguments) -> bool:
    pieces = [p for p in text.split("\n\n") if p.strip()]
    nth = int(a["nth_paragraph"])
    if len(pieces) != a["num_paragraphs"] or not 1 <= nth <= len(pieces):
        return False
    first = re.match(r"[\"']*([^\s.,?!\"']*)", pieces[nth - 1].strip())
    return first is not None and first[1].lower() == a["first_word"].lower()


def _placeholders(text: str, a: Arguments) -> bool:
    return len(re.findall(r"\[[^\[\]\n]*\]", text)) >= a["num_placeholders"]


def _postscript(text: str, a: Arguments) -> bool:
    marker = str(a["postscript_marker"]).lower()
    known = {"p.p.s": r"p\.\s?p\.\s?s", "p.s.": r"p\.\s?s\."}
    pattern = known.get(marker) or re.escape(marker)
    return re.search(pattern, text.lower()) is not None


def _highlights(text: str, a: Arguments) -> bool:
    found = re.findall(r"\*[^\n*]+\*|\*\*[^\n*]+\*\*", text)
    return sum(bool(x.strip("* ")) for x in found) >= a["num_highlights"]


def _sections(text: str, a: Arguments) -> bool:
    mark = re.escape(a["section_spliter"].strip())
    return len(re.findall(rf"{mark}\s?\d+", text)) >= a["num_sections"]


def _json(text: str, _: Arguments) -> bool:
    bare = re.sub(r"\A\s*```(?:json)?|```\s*\Z", "", text, flags=re.IGNORECASE)
    try:
        json.loads(bare)
    except (ValueError, RecursionError):
        return False
    return True


def _title(text: str, _: Arguments) -> bool:
    return any(x.strip() for x in re.findall(r"<<([^\n<>]+)>>", text))


def _two(text: str, _: Arguments) -> bool:
    pieces = _outer_blank_off(text.split("******"))
    bare = [p.strip() for p in pieces]
    return len(bare) == 2 and all(bare) and bare[0] != bare[1]


def _repeats(text: str, a: Arguments) -> bool:
    return text.strip().lower().startswith(a["prompt_to_repeat"].strip().lower())


def _ends(text: str, a: Arguments) -> bool:
    return text.strip().strip('"').lower().endswith(a["end_phrase"].strip().lower())


def _quoted(text: str, _: Arguments) -> bool:
    bare = text.strip()
    return len(bare) > 1 and bare[0] == bare[-1] == '"'


def _capitals(text: str, a: Arguments) -> bool:
    count = sum(w.isupper() for w in re.findall(r"[\w'-]+", text))
    return compared(count, a["capital_frequency"], a.get("capital_relation"))


Check = Callable[[str, Arguments], bool]
CHECKS: dict[str, tuple[Check, dict[str, type]]] = {
    "keywords:existence": (_keywords, {"keywords": list}),
    "keywords:frequency": (_frequency, {"keyword": str, "frequency": int}),
    "keywords:forbidden_words": (_forbidden, {"forbidden_words": list}),
    "keywords:letter_frequency": (_letters, {"letter": str, "let_frequency": int}),
    "length_constraints:number_sentences": (_sentences, {"num_sentences": int}),
    "length_constraints:number_paragraphs": (_paragraphs, {"num_paragraphs": int}),
    "length_constraints:number_words": (_words, {"num_words": int}),
    "length_constraints:nth_paragraph_first_word": (
        _first_word, {"num_paragraphs": int, "nth_paragraph": int, "first_word": str}
    ),
    "detectable_content:number_placeholders": (_placeholders, {"num_placeholders": int}),
    "detectable_content:postscript": (_postscript, {"postscript_marker": str}),
    "detectable_format:number_bullet_lists": (
        lambda text, a: bullets(text) == a["num_bullets"], {"num_bullets": int}
    ),
    "detectable_format:constrained_response": (
        lambda text, _: any(x in text for x in YES_NO), {}
    ),
    "detectable_format:number_highlighted_sections": (_highlights, {"num_highlights": int}),
    "detectable_format:multiple_sections": (
        _sections, {"section_spliter": str, "num_sections": int}
    ),
    "detectable_format:json_format": (_json, {}),
    "detectable_format:title": (_title, {}),
    "combination:two_responses": (_two, {}),
    "combination:repeat_prompt": (_repeats, {"prompt_to_repeat": str}),
    "startend:end_checker": (_ends, {"end_phrase": str}),
    "startend:quotation": (_quoted, {}),
    "change_case:capital_word_frequency": (_capitals, {"capital_frequency": int}),
    "change_case:english_capital": (lambda text, _: text.isupper(), {}),
    "change_case:english_lowercase": (lambda text, _: text.islower(), {}),
    "punctuation:no_comma": (lambda text, _: "," not in text, {}),
}  # fmt: skip
"""Id -> its check, and the arguments that it needs with their types."""
