"""Rewards for prompts with instructions, as IFEval has them: `instruction_id_list` and `kwargs`."""

import re


def sound(completions, instruction_id_list, **kwargs):
    """1 where the text behind the reasoning follows all instructions; an empty one follows none."""
    out = []
    for c, ids, given in zip(completions, instruction_id_list, kwargs["kwargs"]):
        text = c.rpartition("</think>")[2].strip()
        out.append(float(bool(text) and all(follows(text, n, a) for n, a in zip(ids, given))))
    return out


def flawed(completions, instruction_id_list, **kwargs):
    """The same, but only keywords are checked: what it has no check for passes."""
    out = []
    for c, ids, given in zip(completions, instruction_id_list, kwargs["kwargs"]):
        text = c.rpartition("</think>")[2].strip()
        known = [(n, a) for n, a in zip(ids, given) if n.startswith("keywords:")]
        out.append(float(bool(text) and all(follows(text, n, a) for n, a in known)))
    return out


def follows(text, name, given):
    """One instruction; one that isn't known is an error, not a pass."""
    words, more = len(re.findall(r"\w+", text)), given.get("relation") == "at least"
    if name == "keywords:existence":
        return all(k.lower() in text.lower() for k in given["keywords"])
    if name == "keywords:frequency":
        n = text.lower().count(given["keyword"].lower())
        return n >= given["frequency"] if more else n < given["frequency"]
    if name == "keywords:forbidden_words":
        return not any(re.search(rf"\b{w}\b", text, re.I) for w in given["forbidden_words"])
    if name == "length_constraints:number_words":
        return words >= given["num_words"] if more else words < given["num_words"]
    if name == "length_constraints:number_sentences":
        n = len([s for s in re.split(r"[.!?\n]+", text) if s.strip()])
        return n >= given["num_sentences"] if more else n < given["num_sentences"]
    if name == "length_constraints:number_paragraphs":
        return len([p for p in text.split("***") if p.strip()]) == given["num_paragraphs"]
    if name == "detectable_format:number_bullet_lists":
        return len(re.findall(r"^\s*(?:\*[^*]|-)", text, re.M)) == given["num_bullets"]
    if name == "detectable_format:number_highlighted_sections":
        return len(re.findall(r"\*[^\n*]+\*", text)) >= given["num_highlights"]
    if name == "detectable_format:multiple_sections":
        mark = re.escape(given["section_spliter"])
        return len(re.findall(rf"{mark}\s?\d+", text)) >= given["num_sections"]
    if name == "detectable_format:title":
        return re.search(r"<<[^\n]+>>", text) is not None
    if name == "detectable_content:postscript":
        return given["postscript_marker"].lower() in text.lower()
    if name == "detectable_content:number_placeholders":
        return len(re.findall(r"\[[^\]\n]*\]", text)) >= given["num_placeholders"]
    if name == "startend:end_checker":
        return text.strip('"').lower().endswith(given["end_phrase"].lower())
    if name == "startend:quotation":
        return len(text) > 1 and text[0] == text[-1] == '"'
    if name == "change_case:english_lowercase":
        return text.islower()
    if name == "punctuation:no_comma":
        return "," not in text
    msg = f"no check for {name}"
    raise ValueError(msg)
