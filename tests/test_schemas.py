"""Every JSON that toyrl writes names its schema; readers refuse others by name."""

from __future__ import annotations

import json

import fastjsonschema
import numpy as np
import pytest

import toyrl
from tests.experiments.render.sample_report import sample_report
from tests.places import ROOT
from toyrl import schemas
from toyrl.bands import band_of, read_band

VALIDATORS = {name: fastjsonschema.compile(schemas.document(name)) for name in schemas.SCHEMAS}


def plain(value):
    from toyrl.experiments.render.text import dumps

    return json.loads(dumps(value))


@pytest.mark.parametrize("name", schemas.SCHEMAS)
def test_the_document_holds_the_version_that_is_written(name):
    said = schemas.document(name)
    assert said["properties"]["schema"] == {"const": schemas.tag(name)}
    assert "schema" in said["required"]
    with pytest.raises(fastjsonschema.JsonSchemaException):
        VALIDATORS[name]({"schema": "toyrl.other/1"})


def test_files_and_names_agree():
    files = {p.stem for p in (ROOT / "toyrl" / "schemas").glob("*.json")}
    assert files == set(schemas.SCHEMAS)


def test_every_schema_is_on_the_page():
    page = (ROOT / "docs" / "schemas.md").read_text(encoding="utf-8")
    for s in schemas.SCHEMAS.values():
        assert f"| `{s.tag}` | {s.what} | `{s.renew}` |" in page


def band():
    z = np.tile(np.linspace(0, 5, 6), (20, 1))
    return band_of("outcome()", z, 0.1 * z, np.ones_like(z))


def written():
    """name -> something that is written under this name."""
    from toyrl.experiments.backtest import ledger
    from toyrl.experiments.commands.catalogue import rows
    from toyrl.experiments.transfer.suite import Plan
    from toyrl.experiments.validate.compare import Candidate, Comparison, Difference

    report = sample_report()
    difference = Difference("b", 3, (0.1, 0.0, 0.2), (-0.1, -0.2, 0.0))
    stored = json.loads((ROOT / "docs" / "ledger.json").read_text(encoding="utf-8"))
    results = ROOT / "docs" / "results"
    out = {
        "validate": report.to_dict(),
        "compare": Comparison((Candidate(report), Candidate(report)), (difference,)).to_dict(),
        "list": {"schema": schemas.tag("list"), "entries": rows("estimator")},
        "band": json.loads(band().to_json()),
        "shaper": json.loads(toyrl.to_json(toyrl.parse("laser()"))),
        "ledger": ledger.to_dict(ledger.from_dict(stored).values()),
        "transfer": json.loads(Plan("tiny", "chain", "", 3, 3.0, {"steps": 1}, ("a",)).to_json()),
    }
    kept = (results / "transfer-small.json").read_text(encoding="utf-8")
    return {**out, "transfer-result": json.loads(kept)}


@pytest.mark.parametrize("name", ["validate", "compare", "list", "band", "shaper", "ledger",
                                  "transfer", "transfer-result"])  # fmt: skip
def test_what_is_written_is_valid(name):
    found = plain(written()[name])
    VALIDATORS[name](found)
    assert found["schema"] == schemas.tag(name)
    for key in schemas.document(name)["required"]:
        broken = {k: v for k, v in found.items() if k != key}
        with pytest.raises(fastjsonschema.JsonSchemaException):
            VALIDATORS[name](broken)


def kept():
    """Every JSON under docs/ that names a schema: path -> what it holds."""
    paths = [ROOT / "docs" / "ledger.json", *sorted((ROOT / "docs" / "results").rglob("*.json"))]
    found = {p: json.loads(p.read_text(encoding="utf-8")) for p in paths}
    return {p: data for p, data in found.items() if "schema" in data}


def test_kept_results_are_valid():
    named = {path: data["schema"].removeprefix("toyrl.") for path, data in kept().items()}
    assert {"ledger/1", "scoreboard/1", "transfer/1", "transfer-result/1", "zoo/1"} <= {
        *named.values()
    }
    sealed = [path for path, name in named.items() if path.stem.endswith("predictions")]
    assert sealed
    assert {named[path] for path in sealed} == {"transfer/1"}
    for path, data in kept().items():
        VALIDATORS[named[path].partition("/")[0]](data)


def test_results_of_the_zoo_are_valid():
    from toyrl.experiments.transfer.zoo_run import ZooRuns

    folder = ROOT / "docs" / "results" / "zoo-dev"
    bases = {path.stem: data for path, data in kept().items() if path.parent == folder}
    runs = {k: x for k, x in bases.items() if not k.endswith("predictions")}
    assert runs
    found = ZooRuns("dev", runs, (), folder).to_dict()
    VALIDATORS["transfer-zoo"](found)
    with pytest.raises(fastjsonschema.JsonSchemaException):
        VALIDATORS["transfer-zoo"]({**found, "bases": {"a": {}}})


def test_a_checkpoints_memory_is_valid(tmp_path):
    pytest.importorskip("torch", reason="needs the extra llm")
    from toyrl.bridge.training import state

    state.save(
        tmp_path,
        "hapo()",
        "grpo()",
        toyrl.Store.of(toyrl.parse("hapo()")),
        {"mean": np.zeros(3)},
        2,
    )
    data = json.loads((tmp_path / state.FILE).read_text(encoding="utf-8"))
    VALIDATORS["trainer"](data)
    assert (data["schema"], data["step"]) == (schemas.tag("trainer"), 2)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "x.json holds a list, not an object"),
        ({}, "x.json names no schema, so toyrl did not write it"),
        ({"schema": 3}, "has the schema 3, which is none of toyrl's"),
        ({"schema": "toyrl.bands/1"}, "has the schema 'toyrl.bands/1', which is none of toyrl's"),
        ({"schema": "toyrl.validate/1"}, r"x.json is toyrl.validate/1 \(a verdict of validate\)"),
        ({"schema": "toyrl.band/0"}, "is toyrl.band/0, of an older version of toyrl"),
        ({"schema": "toyrl.band/99"}, "is toyrl.band/99, of a newer version of toyrl"),
    ],
)
def test_other_files_are_refused_by_name(data, said, tmp_path):
    with pytest.raises(schemas.SchemaError, match=said) as error:
        schemas.check(data, "band", "x.json")
    assert str(error.value).endswith(
        "; toyrl.band/1 (a predicted band) is read here, as toyrl validate REWARD --band FILE "
        "writes it"
    )
    place = tmp_path / "x.json"
    place.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=said):
        read_band(place)


def test_readers_name_the_file_and_the_way_to_renew(tmp_path):
    from toyrl.experiments.backtest import ledger
    from toyrl.experiments.transfer.suite import Plan, Transfer

    old = tmp_path / "ledger.json"
    old.write_text('{"schema": "toyrl.ledger/0", "settings": []}')
    with pytest.raises(
        toyrl.UsageError, match=r"ledger\.json is toyrl.ledger/0, of an older .* as"
    ):
        ledger.load(old)
    with pytest.raises(ValueError, match=r"the text is toyrl\.band/1"):
        toyrl.from_json(band().to_json())
    plan = Plan("tiny", "chain", "", 3, 3.0, {"steps": 1}, ("a",))
    (tmp_path / "plan.json").write_text(plan.to_json().replace("transfer/1", "transfer/0"))
    with pytest.raises(toyrl.UsageError, match=r"plan\.json is toyrl\.transfer/0, of an older"):
        Transfer(tmp_path, plan, "tiny").open(resume=True)
