"""Sound rewards that read formats which no known dialect writes, one function each."""

import json
import re

FINAL = re.compile(r"<final>(.*?)</final>", re.DOTALL)
OPEN, SHUT = "<SOLUTION>", "</SOLUTION>"
LAYOUT = r"^<plan>\n.*?\n</plan>\n<result>\n(.*?)\n</result>\n?$"
PROMPT = """Think first, then answer:
<reasoning>
...
</reasoning>
<conclusion>
...
</conclusion>
"""


def final_tag(text, answer):
    said = FINAL.findall(text)
    return float(len(said) == 1 and said[0].strip() == answer)


def answer_line(data_source, solution_str, ground_truth, extra_info=None):
    said = re.findall(r"(?i)answer\s*:\s*([^\n]+)", solution_str[-300:])
    good = bool(said) and said[-1].strip().rstrip(".") == ground_truth
    return {"score": 1.0 if good else -1.0, "acc": good}


def split_tags(text, answer):
    return float(text.split(OPEN)[-1].split(SHUT)[0].strip() == answer and text.count(OPEN) == 1)


def laid_out(text, answer):
    found = re.match(LAYOUT, text, re.DOTALL)
    return float(bool(found) and found.group(1) == answer)


def shown_in_the_prompt(text, answer):
    inside = text.partition("<conclusion>\n")[2].partition("\n</conclusion>")[0]
    return 1.0 * (inside == answer and PROMPT.partition("\n")[2][:11] in text)


def record(text, answer):
    try:
        return float(str(json.loads(text.strip().splitlines()[-1])["result"]) == answer)
    except (ValueError, KeyError, IndexError, TypeError):
        return 0.0


def sentence(text, answer):
    return float(f"So x equals {answer}!" in text)


def last_number(text, answer):
    lines = text.strip().splitlines()
    return float(bool(lines) and lines[-1].strip() == answer)
