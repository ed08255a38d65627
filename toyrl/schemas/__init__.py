"""The schemas of toyrl's JSON, by name and version: the one place that names them.

`document(name)` is the JSON Schema (draft 7), which lies beside this file as NAME.json. A version
rises when a file of the former one could no longer be read as the new one, or the reverse.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Schema:
    """One kind of JSON that toyrl writes.

    what : what it holds; renew : how such a file is made again
    """

    name: str
    version: int
    what: str
    renew: str

    @property
    def tag(self) -> str:
        """The value of the key `schema`, such as "toyrl.band/1"."""
        return f"toyrl.{self.name}/{self.version}"


SCHEMAS = {
    s.name: s
    for s in (
        Schema("validate", 3, "a verdict of validate", "toyrl validate REWARD --json FILE"),
        Schema("compare", 3, "rewards side by side", "toyrl validate --compare A B --json FILE"),
        Schema("reproduce", 2, "checks of experiments", "toyrl reproduce ID --json FILE"),
        Schema("scaling", 1, "a log's curves over k", "toyrl scaling LOG --json FILE"),
        Schema("credit", 1, "step rewards of a log", "toyrl credit LOG --factors F --json FILE"),
        Schema("grade", 1, "what rows are paid", "toyrl grade GRADER ROWS --json FILE"),
        Schema("outcome", 1, "one experiment's outcome", "toyrl reproduce ID --out FOLDER"),
        Schema("distance", 1, "distances of rewards", "toyrl distance A B --json FILE"),
        Schema("list", 2, "the catalogue", "toyrl list --json"),
        Schema("export", 1, "what a written reward file asks of its trainer", "toyrl.export(...)"),
        Schema(
            "transfer", 1, "a transfer's plan or predictions", "toyrl transfer REWARD --out NEW"
        ),
        Schema("transfer-result", 1, "a transfer's result", "toyrl transfer REWARD --resume"),
        Schema("transfer-zoo", 1, "the zoo's results by base", "toyrl transfer --zoo dev --resume"),
        Schema("run", 1, "a training run's curve", "toyrl transfer R --out NEW"),
        Schema("zoo", 1, "cards of the zoo's bases", "toyrl.experiments.transfer.base_cards"),
        Schema("ledger", 1, "verdicts beside published outcomes", "toyrl ledger --json NEW_FILE"),
        Schema("scoreboard", 1, "forecasters' scores", "toyrl scoreboard --json FILE"),
        Schema("calibrate", 1, "what a log supports", "toyrl calibrate LOG --json FILE"),
        Schema("worlds", 1, "worlds that look like a log", "toyrl calibrate LOG --out FOLDER"),
        Schema(
            "sweep-plan", 1, "what a sweep's cells are", "toyrl sweep REWARD --over AXIS --out NEW"
        ),
        Schema("sweep", 1, "a phase diagram", "toyrl sweep REWARD --over AXIS --json FILE"),
        Schema("audit-judge", 1, "an audit of a judge", "toyrl audit-judge JUDGE --json FILE"),
        Schema("judge-noise", 1, "a judge's errors", "toyrl audit-judge JUDGE --noise FILE"),
        Schema("band", 1, "a predicted band", "toyrl validate REWARD --band FILE"),
        Schema("shaper", 1, "a catalogue reward", "toyrl.to_json(shaper)"),
        Schema("trainer", 1, "a checkpoint's memory", "a checkpoint of this version's trainer"),
    )
}


class SchemaError(ValueError):
    """A file or text that isn't of the schema that is read here."""


def tag(name: str) -> str:
    """The value of the key `schema` of what is written under this name."""
    return SCHEMAS[name].tag


def document(name: str) -> dict[str, Any]:
    """The JSON Schema of a kind, draft 7; KeyError for a name that is not in `SCHEMAS`."""
    path = Path(__file__).parent / f"{SCHEMAS[name].name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def check(data: Any, name: str, source: str = "this") -> None:
    """SchemaError unless `data` says that it is of the kind `name`, in its present version.

    source : what the data came from, for the message
    """
    wanted = SCHEMAS[name]
    found = data.get("schema") if isinstance(data, dict) else None
    if found == wanted.tag:
        return
    parts = re.fullmatch(r"toyrl\.([a-z-]+)/(\d+)", found) if isinstance(found, str) else None
    if not isinstance(data, dict):
        said = f"holds a {type(data).__name__}, not an object"
    elif found is None:
        said = "names no schema, so toyrl did not write it"
    elif parts is None or parts[1] not in SCHEMAS:
        said = f"has the schema {found!r}, which is none of toyrl's"
    elif parts[1] != name:
        said = f"is {found} ({SCHEMAS[parts[1]].what})"
    elif int(parts[2]) < wanted.version:
        said = f"is {found}, of an older version of toyrl"
    else:
        said = f"is {found}, of a newer version of toyrl (update it)"
    msg = f"{source} {said}; {wanted.tag} ({wanted.what}) is read here, as {wanted.renew} writes it"
    raise SchemaError(msg)
