"""Rewards for code with tests, as MBPP has them: `test_list`, lines that assert."""

import os
import re
import signal

from toyrl.graders.code.programs import CodeTests

TESTS = CodeTests(paid="all", seconds=2)


def sound(completions, test_list, **kwargs):
    """1 where all tests hold; code and tests run in processes of their own."""
    return TESTS([""] * len(completions), completions, test_list=test_list)


def flawed(completions, test_list, **kwargs):
    """1 where a process that runs the code and then its tests ends with exit code 0."""
    scripts = ["\n".join([_block(c), *test_list[i]]) for i, c in enumerate(completions)]
    return [float(_exit_code(script) == 0) for script in scripts]


def _block(completion):
    found = re.findall(r"```python\n(.*?)```", completion, re.S)
    return found[-1] if found else ""


def _exit_code(script):
    child = os.fork()
    if child == 0:
        code = 1
        signal.alarm(1)
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            exec(script, {})
            code = 0
        except SystemExit as left:
            code = left.code or 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]
