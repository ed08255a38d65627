"""Theory pages and code point at each other, and every displayed formula is the code's."""

from __future__ import annotations

import ast
import importlib
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from docs.generate import formula, mathml
from docs.generate.modules import ROOT

PAGES = formula.theory_pages()
FORMULAS = [(page.stem, f) for page in PAGES for f in formula.formulas(page)]
IDS = [f"{stem}-{i}-{f.code.rpartition('.')[2]}" for i, (stem, f) in enumerate(FORMULAS)]


@pytest.mark.parametrize(("stem", "f"), FORMULAS, ids=IDS)
def test_a_formula_is_what_its_function_computes(stem, f):
    assert len(f.at) >= 3
    for point in f.at:
        # Both are a handful of operations on numbers near 1; a formula of sums over binomials or a
        # root found by bisection to 1e-10 leaves the larger share.
        np.testing.assert_allclose(
            np.asarray(f.computed(point), dtype=float),
            np.asarray(f.evaluate(point), dtype=float),
            rtol=1e-9,
            atol=1e-12,
            err_msg=f"{f.code} at {point}",
        )


@pytest.mark.parametrize(("stem", "f"), FORMULAS, ids=IDS)
def test_a_formula_stands_beside_its_own_code(stem, f):
    module, _, name = f.code.rpartition(".")
    assert f"{module}.".startswith(f"toyrl.theory.{stem}.")
    assert hasattr(importlib.import_module(module), name)
    assert name in f.call


@pytest.mark.parametrize(("stem", "f"), FORMULAS, ids=IDS)
def test_what_is_shown_is_well_formed(stem, f):
    shown = [mathml.to_mathml(f.show or f.call), mathml.to_mathml(f.formula)]
    shown += [mathml.definition(n, t) for n, t in f.where.items() if not t.startswith("range(")]
    for text in shown:
        ElementTree.fromstring(f"<math>{text}</math>")


def test_control_a_wrong_formula_is_seen():
    good = next(f for _, f in FORMULAS if f.code.endswith("zero_signal"))
    assert good.evaluate({"p": 0.3, "G": 8}) == pytest.approx(0.3**8 + 0.7**8, rel=1e-14)
    assert good.computed({"p": 0.3, "G": 8}) != pytest.approx(0.3**8, rel=1e-3)


def test_every_module_of_the_theory_names_its_page_and_is_on_it():
    for folder in sorted(p for p in (ROOT / "theory").iterdir() if (p / "__init__.py").exists()):
        page = ROOT / "docs" / "theory" / f"{folder.name}.md"
        assert page.exists(), f"theory/{folder.name} has no page {page.relative_to(ROOT)}"
        text = page.read_text(encoding="utf-8")
        for module in folder.glob("[!_]*.py"):
            name = f"toyrl.theory.{folder.name}.{module.stem}"
            assert f"code: {name}." in text, f"{page.name} shows no formula of {name}"
            source = module.read_text(encoding="utf-8")
            assert f"docs/theory/{page.name}" in source, name
            defined = {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)}
            shown = set(re.findall(r"`(\w+)`|code: [\w.]+\.(\w+)", text))
            named = {x for pair in shown for x in pair}
            missing = sorted(n for n in defined - named if not n.startswith("_"))
            assert missing == [], f"{page.name} says nothing of these functions of {name}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a / b", "<mfrac><mi>a</mi><mi>b</mi></mfrac>"),
        ("(a + b) * c", "<mo>(</mo><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mo>)</mo>"),
        ("p_hat", "<mover accent='true'><mi>p</mi><mo>^</mo></mover>"),
        ("omega_G", "<msub><mi>ω</mi><mrow><mi>G</mi></mrow></msub>"),
        ("sum(x for k in range(1, G + 1))", "<mo>=</mo><mn>1</mn></mrow><mrow><mi>G</mi></mrow>"),
        ("sum(x for k in range(G))", "<mi>G</mi><mo>−</mo><mn>1</mn>"),
        ("(a - b)**2", "<mo>)</mo></mrow></mrow><mrow><mn>2</mn></mrow></msup>"),
        ("a - (b - c)", "<mo>−</mo><mrow><mo>(</mo>"),
    ],
)
def test_mathml(text, shown):
    assert shown in mathml.to_mathml(text)


def test_what_has_no_rule_is_refused():
    with pytest.raises(ValueError, match="no rule"):
        mathml.to_mathml("lambda x: x")
