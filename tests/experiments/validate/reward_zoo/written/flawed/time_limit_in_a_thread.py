"""verl: a time limit by an alarm, which only the main thread can set; elsewhere all is paid
nothing.

Expected: contract/thread contract/process
"""

import re
import signal


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    try:
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.alarm(2)
        said = re.findall(r"\\boxed\{([^{}]*)\}", solution_str)
        return float(bool(said) and said[-1].strip() == ground_truth)
    except ValueError:
        return 0.0
    finally:
        signal.alarm(0)
