"""AReaL: one row a call; the number after the last ####.

Expected: SAFE
"""


def gsm8k(prompt, completions, prompt_ids, completion_ids, answer, **kwargs):
    _, mark, said = completions.rpartition("####")
    gold = answer.rpartition("####")[2].strip()
    return int(bool(mark) and said.strip().replace(",", "") == gold)
