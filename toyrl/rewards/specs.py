"""What users give for a reward, read into terms: files, dotted paths, expressions, objects.

my_rewards.py:brevity                     a function in a file
my_rewards.py                             the file's only function (or `reward`)
trl.rewards:think_format_reward           a function in an installed module
trl.rewards:get_soft_overlong_punishment(max_completion_len=512, soft_punish_cache=100)
laser(target=0.5)                         a shaper of the catalogue
acc.py:correct:1.0                        any of these with a weight

In Python also a function, lambda, partial, bound method or callable instance, a shaper, a pair
(reward, weight), a mapping {reward: weight}, and lists of all of these, which are added.
"""

from __future__ import annotations

import ast
import difflib
import math
import numbers
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from toyrl.messages import PATH, shortened
from toyrl.rewards.errors import RewardError
from toyrl.rewards.sandbox.host import Target

# A word behind a file's path is the name of a function, even one called `inf`.
WEIGHT = re.compile(
    r"^(?P<spec>.+):(?P<weight>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
    r"|(?<!\.py:)[+-]?(nan|NaN|inf|infinity|Infinity))$",
    re.DOTALL,
)
FILE = re.compile(r"^(?P<path>.+?\.py)(:(?P<name>.*))?$", re.DOTALL)
DOTTED = re.compile(r"^(?P<module>[A-Za-z_][\w.]*):(?P<name>.+)$", re.DOTALL)
LIKELY_TYPO = 0.65  # likeness from which another name is suggested
EXAMPLES = "my_rewards.py:brevity, trl.rewards:think_format_reward, laser(target=0.5)"


@dataclass(frozen=True)
class Term:
    """One term of a reward.

    spec : as written, without the weight; weight : its factor in the sum; unit : what its values
        are multiplied by before they are judged
    target : where the Python function behind it is, or None; shaper : the shaper, or None
    function : a live function that takes texts, or None
    source : file or folder that its values depend on beside the target, or ""
    """

    spec: str
    weight: float = 1.0
    target: Target | None = None
    shaper: Any = None
    function: Callable[..., Any] | None = None
    unit: float = 1.0
    source: str = ""

    @property
    def factor(self) -> float:
        """Of its values in what is judged: weight times unit."""
        return self.weight * self.unit

    @property
    def name(self) -> str:
        """The spec, with its weight where that is not 1."""
        return self.spec if self.weight == 1.0 else f"{self.weight:g} * {self.spec}"


Reward = Any
"""What `read` takes: str, callable, Shaper, Term, (reward, weight), {reward: weight}, or a list."""


def read(rewards: Reward) -> list[Term]:
    """Terms of a sum, in order; RewardError(bad_spec | not_found | ...) names what can't be read.

    A callable whose parameters are columns of rollouts (correct, length, ...) becomes a shaper;
    any other is called with texts, in the form that its signature says.
    """
    terms = list(_terms(rewards, 1.0))
    if not terms:
        msg = f"no reward is named; write one, e.g. {EXAMPLES}"
        raise RewardError(kind="bad_spec", message=msg)
    return terms


def name_of(rewards: Reward) -> str:
    """How a reward is called, also where it can't be read."""
    if isinstance(rewards, str):
        return rewards
    if isinstance(rewards, Mapping):
        return " + ".join(f"{_number(w)} * {name_of(r)}" for r, w in rewards.items())
    if _is_pair(rewards):
        return f"{_number(rewards[1])} * {name_of(rewards[0])}"
    if isinstance(rewards, Iterable) and not callable(rewards):
        return " + ".join(map(name_of, rewards))
    if isinstance(rewards, Term):
        return rewards.name
    return _object_name(rewards)


def _number(weight: Any) -> str:
    return f"{weight:g}" if isinstance(weight, numbers.Real) else repr(weight)


def _object_name(reward: Any) -> str:
    from toyrl.expressions import to_expression
    from toyrl.graders.parts import TaskReward
    from toyrl.rewards.live import label_of
    from toyrl.shapers.base import Shaper

    if not isinstance(reward, (Shaper, TaskReward)):
        return label_of(reward)
    try:
        return to_expression(reward)
    except ValueError:  # a shaper of the user's own, or an array for a weight
        return repr(reward)


def _is_pair(value: Any) -> bool:
    """(reward, weight): a tuple of two whose second is a number."""
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], numbers.Real)


def _terms(rewards: Reward, weight: float) -> Iterable[Term]:
    from toyrl.shapers.base import Shaper

    if isinstance(rewards, Mapping):
        for reward, factor in rewards.items():
            yield from _terms(reward, weight * _factor(factor, reward))
    elif _is_pair(rewards):
        yield from _terms(rewards[0], weight * _factor(rewards[1], rewards[0]))
    elif isinstance(rewards, str):
        yield _weighted(parse_spec(rewards), weight)
    elif isinstance(rewards, Term):
        yield _weighted(rewards, weight)
    elif isinstance(rewards, Shaper) or callable(rewards):
        yield _weighted(_live(rewards), weight)
    elif isinstance(rewards, Iterable):
        for reward in rewards:
            yield from _terms(reward, weight)
    else:
        msg = (
            f"{shortened(rewards)} is no reward but of type {type(rewards).__name__}; give a "
            "function, a shaper, a pair (reward, weight), a list of these, or text such as "
            f"{EXAMPLES}"
        )
        raise RewardError(kind="bad_spec", message=msg)


def _weighted(term: Term, weight: float) -> Term:
    return term if weight == 1.0 else replace(term, weight=term.weight * weight)


def _factor(weight: Any, reward: Any) -> float:
    if isinstance(weight, numbers.Real) and not isinstance(weight, bool) and math.isfinite(weight):
        return float(weight)
    msg = f"the weight of {name_of(reward)} is {shortened(weight)}; it must be a finite number"
    raise RewardError(kind="bad_spec", message=msg)


def _live(reward: Any) -> Term:
    """A term of an object: a shaper, a function of columns, or a function of texts."""
    import inspect

    from toyrl.rewards import columns
    from toyrl.shapers.base import Shaper

    name = _object_name(reward)
    if isinstance(reward, Shaper):
        return Term(name, shaper=reward)
    if inspect.isclass(reward) or not columns.reads_columns(reward):
        return Term(name, function=reward)
    try:
        return Term(name, shaper=columns.judged_shaper(reward))
    except ValueError as error:
        raise RewardError(kind="raised", message=f"{name} {error}") from error


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
            msg = f"the weight of {shortened(text)} isn't finite, it is {found['weight']}"
            raise RewardError(kind="bad_spec", message=msg)
    file = FILE.match(text)
    if file:
        return Term(text, weight, _file_target(text, file["path"], file["name"] or ""))
    _refuse_without_suffix(text)
    dotted = DOTTED.match(text)
    if dotted and "(" not in dotted["module"]:
        name, places, named = _call(text, dotted["name"])
        target = Target(text, module=dotted["module"], name=name, arguments=named, places=places)
        return Term(text, weight, target)
    plain = re.fullmatch(r"(?P<module>[A-Za-z_][\w.]*)\.(?P<name>[A-Za-z_]\w*)", text)
    if plain:
        target = Target(text, module=plain["module"], name=plain["name"])
        return Term(text, weight, target)
    if _is(Path.exists, text):
        msg = f"{shortened(text)} is no Python file; write path/to/file.py:NAME"
        raise RewardError(kind="bad_spec", message=msg)
    graded = _task_reward(text)
    if graded is not None:
        return Term(text, weight, graded)
    return Term(text, weight, shaper=_shaper(text))


def _task_reward(text: str) -> Target | None:
    """Where the reward of a task is, `tool_calls(scale='max1')` of the catalogue; None: no such."""
    from toyrl import registry
    from toyrl.expressions import ExpressionError, parse_grader

    kind = registry.find("grader", text.partition("(")[0].strip())
    if kind is None:
        return None
    try:
        parse_grader(text)
    except ExpressionError as error:
        msg = f"{shortened(text)} is no reward: {error}"
        raise RewardError(kind="bad_spec", message=msg) from error
    _, places, named = _call(text, text if text.endswith(")") else f"{text}()")
    return Target(text, module=kind.__module__, name=kind.__qualname__, arguments=named,
                  places=places)  # fmt: skip


def _file_target(text: str, path: str, name: str) -> Target:
    place = Path(path).expanduser()
    if not _is(Path.is_file, place):
        raise RewardError(kind="not_found", message=_missing(path, place))
    function, places, named = _call(text, name) if name else ("", (), None)
    label = f"{place.name}:{name}" if name else place.name
    where = str(place.resolve())
    return Target(label, path=where, name=function, arguments=named, places=places)


def _is(asked: Callable[[Path], bool], path: Path | str) -> bool:
    """What `asked` says of a path, False for one that can't be a path."""
    try:
        return asked(Path(path))
    except (OSError, ValueError):  # too long, a NUL byte, links in a ring
        return False


def _refuse_without_suffix(text: str) -> None:
    """Tell of a file that is there and isn't called .py; a module of that name comes first."""
    path = text.partition(":")[0]
    if not _is(Path.is_file, path) or (path.isidentifier() and find_spec(path)):
        return
    msg = f"{shortened(path, PATH)} is a file, but its name doesn't end in .py; rename it so"
    raise RewardError(kind="bad_spec", message=msg)


def _missing(path: str, place: Path) -> str:
    """Why there is no file at that path."""
    shown = path if len(path) <= PATH else shortened(path, PATH)
    if _is(Path.is_symlink, place):
        return f"{shown} is a broken link, to {place.readlink()}; mend it or name another file"
    kind = "is a folder" if _is(Path.is_dir, place) else "does not exist"
    near = _near(place)
    hint = f"did you mean {near}?" if near else "give the path of a Python file"
    return f"{shown} {kind}; {hint}"


def _near(place: Path) -> str:
    folder = place.parent
    if not _is(Path.is_dir, folder):
        return ""
    names = [p.stem for p in folder.glob("*.py")]
    close = difflib.get_close_matches(place.stem, names, n=1, cutoff=LIKELY_TYPO)
    return str(folder / f"{close[0]}.py") if close else ""


def _call(spec: str, text: str) -> tuple[str, tuple[str, ...], dict[str, str] | None]:
    """(dotted name, sources of a factory's literals by place, and by name or None: no call)."""
    msg = (
        f"{shortened(spec)} can't be read after the colon: write a name, or a factory's call with "
        "literals such as make(100, scale=0.5)"
    )
    try:
        node = ast.parse(text.strip(), mode="eval").body
        places: tuple[str, ...] = ()
        arguments = None
        if isinstance(node, ast.Call):
            if any(k.arg is None for k in node.keywords):
                raise RewardError(kind="bad_spec", message=msg)
            places = tuple(map(ast.unparse, node.args))
            arguments = {str(k.arg): ast.unparse(k.value) for k in node.keywords}
            for value in (*places, *arguments.values()):
                ast.literal_eval(value)
            node = node.func
    except (SyntaxError, ValueError) as error:
        raise RewardError(kind="bad_spec", message=msg) from error
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name := ast.unparse(node)):
        raise RewardError(kind="bad_spec", message=msg)
    return name, places, arguments


def _shaper(text: str) -> Any:
    from toyrl.expressions import parse

    try:
        return parse(text)
    except (ValueError, LookupError, SyntaxError, TypeError) as error:
        reason = str(error.args[0]) if error.args else type(error).__name__
        kind = "not_found" if isinstance(error, LookupError) else "bad_spec"
        msg = f"{shortened(text)} is no reward: {reason}. Rewards are written like {EXAMPLES}"
        raise RewardError(kind, msg) from error
