"""A learned conciseness score in a judged reward: its error measured and carried on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import toyrl
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate import learned
from toyrl.experiments.validate.learned import Curve, LearnedScore, Unseen
from toyrl.models.base import save
from toyrl.models.conciseness import FEATURES, labels, padded_rows, table
from toyrl.models.linear import LinearScorer, Ridge
from toyrl.shapers.length.conciseness import ConcisenessAdditive, Crf
from toyrl.theory.length.score_error import score_error_noise
from toyrl.worlds.chain.latents.base import Kinds
from toyrl.worlds.chain.latents.declared import DECLARED


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("scorers")
    rows = padded_rows(150, seed=1)
    x, y = table(rows), labels(rows)
    made = {"good": y, "by lot": np.random.default_rng(0).permutation(y)}
    for name, target in made.items():
        save(Ridge().fit(x, target), folder / f"{name}.json")
    few = LinearScorer(np.zeros(2), np.ones(2), np.ones(2), np.array(0.0))
    save(few, folder / "few.json")
    return {name: folder / f"{name}.json" for name in (*made, "few")}


def known(noise: float, n: int = 400) -> Unseen:
    rng = np.random.default_rng(0)
    true = rng.uniform(0.2, 0.9, n)
    off = noise * np.where(rng.random(n) < 0.5, 1.0, -1.0)
    return Unseen(np.repeat([1.0, 0.0], n // 2), np.full(n, 60.0), true, true + off)


def test_noise_is_the_theory_s_and_only_crf_is_spared_wrong_answers_errors():
    seen = known(0.1)
    c, e = (np.split(x, 2) for x in (seen.true, seen.error))
    w1, w0 = (y.var() + 2 * np.cov(x, y, bias=True)[0, 1] for x, y in zip(c, e, strict=True))
    crf, added = Crf(alpha=0.5, s=1.0), ConcisenessAdditive(alpha=0.5)
    kappa = 0.5 * (1 + np.exp(0.5))
    for shaper, weight, place in ((added, 0.5, 0), (crf, kappa, 1)):
        noise = [learned._moments(shaper, seen.rollouts(learned=x))[0] for x in (True, False)]
        want = score_error_noise(0.5, weight, w1, w0)[place]
        assert noise[0] - noise[1] == pytest.approx(float(want), rel=1e-9)


def test_a_weight_beyond_the_error_is_told_and_crf_at_that_weight_is_not():
    seen = known(0.3)
    told = {
        type(s).__name__: next(
            f for f in learned.findings(seen, "m", "r", [(s, 1.0)])[0] if "sign" in f.name
        )
        for s in (ConcisenessAdditive(alpha=3.0), Crf(alpha=3.0))
    }
    assert told["ConcisenessAdditive"].status == "warn"
    assert told["Crf"].status == "pass"


def test_the_curve_follows_mean_and_spread_of_the_error():
    curve = known(0.1, 20_000).curve()
    mean, sd = curve.of(np.array([0.4, 0.75]), np.array([1.0, 0.0]))
    assert mean == pytest.approx([0.4, 0.75], abs=0.01)
    assert sd == pytest.approx([0.1, 0.1], abs=0.02)  # of the bin's own width, too


def test_classes_have_the_share_of_needed_work_with_the_error():
    flat = Curve(np.array([0.1, 1.0]), np.array([[0.1, 1.0]] * 2), np.zeros((2, 2)) + 0.05)
    kinds = Kinds(np.array([1.0, 0.0]), np.array([110.0, 210.0]), np.array([False] * 2), 400.0,
                  np.array([5.0, 5.0]))  # fmt: skip
    weight, fields = LearnedScore("m", 40, flat).law(kinds)
    assert weight == pytest.approx(np.full((2, 2), 0.5))
    assert fields["conciseness"] == pytest.approx(np.array([[0.55, 0.45], [0.3, 0.2]]))


def test_a_judged_reward_says_how_far_its_score_is_off(files: dict[str, Path]):
    before = DECLARED["conciseness"]
    reports = {
        name: toyrl.validate("crf()", conciseness=files[name], quick=True)
        for name in ("good", "by lot")
    }
    assert DECLARED["conciseness"] is before
    found = {n: {f.name: f for s in r.sections for f in s.findings} for n, r in reports.items()}
    assert found["good"]["contract/learned-score"].status == "pass"
    assert found["by lot"]["contract/learned-score"].status == "warn"
    assert reports["good"].assumed[0]["latent"] == "LearnedScore"
    assert reports["good"].to_dict()["settings"]["conciseness"] == str(files["good"])
    plain = toyrl.validate("laser()", conciseness=files["good"], quick=True)
    assert any(f.name == "contract/learned-unused" for f in plain.sections[0].findings)


@pytest.mark.slow
def test_forecast_and_training_are_under_the_learned_score(files: dict[str, Path]):
    ends = [
        toyrl.validate("crf(alpha=2)", conciseness=c, worlds=1, only="collapse").forecast
        for c in (None, files["good"], files["by lot"])
    ]
    factor = [e["length_factor"]["mean"] for e in ends if e is not None]
    assert factor[2] > 1.05 * factor[1]  # a score by lot asks for no shorter texts
    assert abs(factor[1] - factor[0]) < 0.5 * (factor[2] - factor[0])


def test_other_files_are_refused(files: dict[str, Path], tmp_path: Path):
    (tmp_path / "no.json").write_text("{}")
    few = f"{len(FEATURES)} features"
    for path, says in ((files["few"], few), (tmp_path / "no.json", "format"),
                       (tmp_path / "none.json", "no scorer")):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            toyrl.validate("crf()", conciseness=path, quick=True)
