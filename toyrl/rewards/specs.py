"""What users write for a reward, read into terms: files, dotted paths, catalogue expressions.

my_rewards.py:brevity                     a function in a file
my_rewards.py                             the file's only function (or `reward`)
trl.rewards:think_format_reward           a function in an installed module
trl.rewards:get_soft_overlong_punishment(max_completion_len=512, soft_punish_cache=100)
laser(target=0.5)                         a shaper of the catalogue
acc.py:correct:1.0                        any of these with a weight
"""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toyrl.rewards.errors import RewardError
from toyrl.rewards.sandbox.host import Target

WEIGHT = re.compile(r"^(?P<spec>.+):(?P<weight>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)$", re.DOTALL)
FILE = re.compile(r"^(?P<path>.+?\.py)(:(?P<name>.*))?$", re.DOTALL)
DOTTED = re.compile(r"^(?P<module>[A-Za-z_][\w.]*):(?P<name>.+)$", re.DOTALL)
EXAMPLES = "my_rewards.py:brevity, trl.rewards:think_format_reward, laser(target=0.5)"


@dataclass(frozen=True)
class Term:
    """One term of a reward.

    spec : as written, without the weight; weight : its factor in the sum
    target : the Python function behind it, or None; shaper : the catalogue shaper, or None
    """

    spec: str
    weight: float = 1.0
    target: Target | None = None
    shaper: Any = None

    @property
    def name(self) -> str:
        """The spec, with its weight where that is not 1."""
        return self.spec if self.weight == 1.0 else f"{self.weight:g} * {self.spec}"


def parse_specs(specs: str | Sequence[str]) -> list[Term]:
    """Terms of a sum, in order; RewardError(bad_spec | not_found) names what can't be read."""
    listed = [specs] if isinstance(specs, str) else list(specs)
    if not listed:
        msg = f"no reward is named; write one, e.g. {EXAMPLES}"
        raise RewardError(kind="bad_spec", message=msg)
    return [parse_spec(spec) for spec in listed]


def parse_spec(spec: str) -> Term:
    """One term: file, dotted path or catalogue expression, with an optional `:weight`.

    Raises RewardError (bad_spec) for a text that names no reward or whose weight is no number.
    """
    text, weight = spec.strip(), 1.0
    if not text:
        msg = f"the reward's name is empty; write one, e.g. {EXAMPLES}"
        raise RewardError(kind="bad_spec", message=msg)
    found = WEIGHT.match(text)
    if found:
        text, weight = found["spec"].strip(), float(found["weight"])
        if not math.isfinite(weight):
            raise RewardError(kind="bad_spec", message=f"the weight of {spec!r} is not finite")
    file = FILE.match(text)
    if file:
        return Term(text, weight, _file_target(text, file["path"], file["name"] or ""))
    dotted = DOTTED.match(text)
    if dotted and "(" not in dotted["module"]:
        name, arguments = _call(text, dotted["name"])
        target = Target(text, module=dotted["module"], name=name, arguments=arguments)
        return Term(text, weight, target)
    plain = re.fullmatch(r"(?P<module>[A-Za-z_][\w.]*)\.(?P<name>[A-Za-z_]\w*)", text)
    if plain:
        target = Target(text, module=plain["module"], name=plain["name"])
        return Term(text, weight, target)
    if Path(text).exists():
        msg = f"{text!r} is no Python file; write path/to/file.py:NAME"
        raise RewardError(kind="bad_spec", message=msg)
    return Term(text, weight, shaper=_shaper(text))


def _file_target(text: str, path: str, name: str) -> Target:
    place = Path(path).expanduser()
    if not place.is_file():
        kind = "is a folder" if place.is_dir() else "does not exist"
        near = _near(place)
        hint = f"; did you mean {near}?" if near else "; give the path of a Python file"
        raise RewardError(kind="not_found", message=f"{path} {kind}{hint}")
    function, arguments = _call(text, name) if name else ("", None)
    label = f"{place.name}:{name}" if name else place.name
    return Target(label, path=str(place.resolve()), name=function, arguments=arguments)


def _near(place: Path) -> str:
    folder = place.parent
    if not folder.is_dir():
        return ""
    names = [p.name for p in folder.glob("*.py")]
    close = difflib.get_close_matches(place.name, names, n=1, cutoff=0.5)
    return str(folder / close[0]) if close else ""


def _call(spec: str, text: str) -> tuple[str, dict[str, str] | None]:
    """(dotted name, sources of a factory's keyword literals or None without a call)."""
    msg = (
        f"{spec!r} can't be read after the colon: write a name, or a factory's call with keyword "
        "literals such as make(target=100, scale=0.5)"
    )
    try:
        node = ast.parse(text.strip(), mode="eval").body
        arguments = None
        if isinstance(node, ast.Call):
            if node.args or any(k.arg is None for k in node.keywords):
                raise RewardError(kind="bad_spec", message=msg)
            arguments = {str(k.arg): ast.unparse(k.value) for k in node.keywords}
            for value in arguments.values():
                ast.literal_eval(value)
            node = node.func
    except (SyntaxError, ValueError) as error:
        raise RewardError(kind="bad_spec", message=msg) from error
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name := ast.unparse(node)):
        raise RewardError(kind="bad_spec", message=msg)
    return name, arguments


def _shaper(text: str) -> Any:
    from toyrl.expressions import parse

    try:
        return parse(text)
    except (ValueError, LookupError, SyntaxError, TypeError) as error:
        reason = str(error.args[0]) if error.args else type(error).__name__
        kind = "not_found" if isinstance(error, LookupError) else "bad_spec"
        msg = f"{text!r} is no reward: {reason}. Rewards are written like {EXAMPLES}"
        raise RewardError(kind, msg) from error
