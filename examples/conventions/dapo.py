"""As DAPO's score in verl: the line `Answer: N` in the last 300 characters, plus or minus one."""

import re


def compute_score(solution_str, ground_truth, strict_box_verify=False):
    found = re.findall(r"(?i)Answer\s*:\s*([^\n]+)", solution_str[-300:])
    said = found[-1].strip().rstrip(".") if found else "[INVALID]"
    good = said == ground_truth
    return {"score": 1.0 if good else -1.0, "acc": good, "pred": said}
