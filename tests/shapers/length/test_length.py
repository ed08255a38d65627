"""Length rewards: agreement with TRL, unit conventions, and what their papers say of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl import parse, registry
from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.testing import check_invariants, rollouts

EXACT = 1e-12  # a few roundings of numbers near 1


def one_group(correct: list[float], length: list[float], limit: float, **fields) -> Rollouts:
    """One prompt's rollouts."""
    extra = {k: np.asarray([v], dtype=float) for k, v in fields.items()}
    return Rollouts(
        np.asarray([correct], dtype=float), np.asarray([length], dtype=float), limit, fields=extra
    )


def advantages(name: str, text: str, r: Rollouts) -> np.ndarray:
    return PRESETS[name].apply(parse(text).apply(r).parts, r)[0]


# -- linear, cosine, L1, overlong -----------------------------------------------------------------
def test_linear_length_units() -> None:
    r = one_group([1, 0], [128, 512], 512)
    assert parse("linear_length()").reward(r).tolist() == [[0.25, 1.0]]
    assert parse("linear_length(unit=1)").reward(r).tolist() == [[128.0, 512.0]]
    assert parse("linear_length(0.5, unit=128)").reward(r).tolist() == [[0.5, 2.0]]
    assert parse("outcome() - 0.4*linear_length()").reward(r).tolist() == [[0.9, -0.4]]
    assert parse("outcome() - 0.4*gated(linear_length())").reward(r).tolist() == [[0.9, 0.0]]


@given(
    st.lists(st.integers(1, 130), min_size=1, max_size=8),
    st.integers(1, 100),
    st.sampled_from([0, 1, 5, 20, 100]),
)
def test_overlong_equals_trl(lengths: list[int], limit: int, cache: int) -> None:
    """TRL 1.16's get_soft_overlong_punishment, by its own code."""
    rewards = pytest.importorskip("trl.rewards")
    cache = min(cache, limit)
    want = rewards.get_soft_overlong_punishment(limit, cache)(
        completion_ids=[[0] * n for n in lengths]
    )
    # "up to 1 is a share": one token is written as its share of the limit
    given_cache = cache if cache != 1 else 1 / limit
    r = one_group([1] * len(lengths), lengths, limit)
    got = parse(f"overlong(cache={given_cache})").reward(r)[0]
    assert got == pytest.approx(want, abs=EXACT)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=8), st.floats(0.1, 3))
def test_overlong_without_floor_is_verls_line(lengths: list[int], factor: float) -> None:
    """verl's dapo reward manager: min(-(L - (L_max - len))/len * factor, 0)."""
    limit, cache = 100, 20
    want = [min(-(n - (limit - cache)) / cache * factor, 0) for n in lengths]
    r = one_group([1] * len(lengths), lengths, limit)
    got = parse(f"overlong(cache=20, alpha={factor}, floor=None)").reward(r)[0]
    assert got == pytest.approx(want, abs=EXACT * limit)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 150)), min_size=1, max_size=6))
def test_cosine_equals_trl(rows: list[tuple[bool, int]]) -> None:
    """TRL 1.16's get_cosine_scaled_reward, by its own code past the answer check."""
    accuracy = pytest.importorskip("trl.rewards.accuracy_rewards")
    reward = accuracy.get_cosine_scaled_reward(100, -1.0, -0.3, 0.4, 1.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accuracy, "accuracy_reward", lambda *_: [float(c) for c, _ in rows])
        want = reward([], [], [[0] * n for _, n in rows])
    text = (
        "cosine(max_len=100, min_value_wrong=-1, max_value_wrong=-0.3, min_value_correct=0.4,"
        " max_value_correct=1.2)"
    )
    got = parse(text).reward(one_group([c for c, _ in rows], [n for _, n in rows], 200))[0]
    assert got == pytest.approx(want, abs=EXACT)


def test_cosine_at_the_middle() -> None:
    """TRL's docstring example: half of the limit gives the middles 0.75 and -0.75."""
    got = parse("cosine()").reward(one_group([1, 0], [50, 50], 100))
    assert got == pytest.approx(np.array([[0.75, -0.75]]), abs=EXACT)


def test_l1() -> None:
    r = one_group([1, 1, 0, 1], [20, 60, 50, 4000], 100)
    exact = parse("l1_exact(50, alpha=0.01)").apply(r).parts
    assert exact["outcome"].tolist() == [[1, 1, 0, 1]]
    assert exact["l1_exact"] == pytest.approx(-0.01 * np.array([[30, 10, 0, 3950]]), abs=EXACT)
    top = parse("l1_max(50, alpha=0.01, delta=0.5)").reward(r)
    assert top == pytest.approx(np.array([[0.8, 0.4, 0, 0]]), abs=EXACT)  # clipped at 0 and 1


@pytest.mark.parametrize("text", ["truncation(target={})", "laser(target={})", "l1_exact({})"])
def test_targets_up_to_one_are_shares(text: str) -> None:
    r = one_group([1, 1, 0], [100, 101, 100], 200)
    assert np.array_equal(
        parse(text.format(0.5)).reward(r), parse(text.format(100)).reward(r), equal_nan=True
    )


# -- truncation and LASER (card 05) ---------------------------------------------------------------
@given(rollouts(weights="padding"), st.integers(2, 8), st.floats(0, 2))
def test_laser_pays_alpha_to_right_rollouts_within_target(
    r: Rollouts, target: int, alpha: float
) -> None:
    """Invariants 1-4: LASER - R is 0 or alpha, and alpha exactly for right rollouts within."""
    parts = parse(f"laser({target}, alpha={alpha!r})").apply(r).parts
    within = (r.correct == 1) & (r.length <= target) & (r.w > 0)
    assert np.array_equal(parts["laser"], np.where(within, alpha, 0.0))
    base = np.where(r.correct == 1, 1.0, -0.5)
    assert np.array_equal(parts["outcome"], np.where(r.w > 0, base, 0.0))


@given(rollouts())
def test_laser_target_above_all_lengths_keeps_advantages(r: Rollouts) -> None:
    """Invariant 4: a constant bonus to all right ones leaves two-valued rewards' advantages."""
    with_bonus = advantages("grpo_exact", "laser(target=1)", r)
    without = advantages("grpo_exact", "outcome()", r)
    # each is (r - mean)/std of numbers near 1 with std >= 1/8: ~100 roundings
    assert with_bonus == pytest.approx(without, abs=1e-12)


def test_laser_missing_answers() -> None:
    """Base scores 1, -0.5 and -1 where the field `answered` is known."""
    r = one_group([1, 0, 0], [10, 10, 10], 100, answered=[1, 1, 0])
    assert parse("laser(alpha=0)").reward(r).tolist() == [[1.0, -0.5, -1.0]]
    without_field = one_group([1, 0, 0], [10, 10, 10], 100)
    assert parse("laser(alpha=0)").reward(without_field).tolist() == [[1.0, -0.5, -0.5]]


@given(rollouts(weights="none"), st.integers(2, 7))
def test_truncation_pays_long_right_ones_like_wrong_ones(r: Rollouts, target: int) -> None:
    """Invariant 7: truncation gives long-right and wrong the same reward, LASER never does."""
    cut, laser = parse(f"truncation({target})").reward(r), parse(f"laser({target})").reward(r)
    long_right = (r.correct == 1) & (r.length > target)
    assert np.all(cut[long_right] == 0)
    assert np.all(cut[r.correct == 0] == 0)
    assert np.all(laser[long_right] == 1)
    assert np.all(laser[r.correct == 0] == -0.5)


# -- group rewards (cards 04, 05) ----------------------------------------------------------------
def slow_efficient(correct: np.ndarray, length: np.ndarray, alpha: float) -> np.ndarray:
    """1 - alpha sigmoid((L - mean)/std) over right rollouts, in plain Python."""
    right = [n for c, n in zip(correct, length, strict=True) if c]
    out = []
    for c, n in zip(correct, length, strict=True):
        mean = sum(right) / len(right) if right else 0.0
        std = math.sqrt(sum((x - mean) ** 2 for x in right) / len(right)) if right else 0.0
        z = (n - mean) / std if std > 0 else 0.0
        out.append(1 - alpha / (1 + math.exp(-z)) if c else 0.0)
    return np.array(out)


@given(rollouts(weights="none"))
def test_efficient_reasoning_against_a_slow_definition(r: Rollouts) -> None:
    got = parse("efficient_reasoning(0.4)").reward(r)
    for b in range(r.shape[0]):
        want = slow_efficient(r.correct[b], r.length[b], 0.4)
        assert got[b] == pytest.approx(want, abs=EXACT)


@given(rollouts(weights="none", group=(2, 4)))
def test_kimi_range(r: Rollouts) -> None:
    """Invariant 6: the shortest gains half, the longest loses half, a wrong one never gains."""
    part = parse("kimi(0.6)").apply(r).parts["kimi"]
    for b in range(r.shape[0]):
        low, high = r.length[b].min(), r.length[b].max()
        if low == high:
            assert np.all(part[b] == 0)
            continue
        right = r.correct[b] == 1
        assert np.all(part[b][~right] <= 0)
        assert np.all(part[b][right & (r.length[b] == low)] == pytest.approx(0.3))
        assert np.all(part[b][r.length[b] == high] == pytest.approx(-0.3))


def slow_marked(correct: np.ndarray, lam: float) -> set[int]:
    """The prompts that GRPO-lambda penalises, by a stable sort."""
    rho = correct.mean(-1)
    order = sorted(range(len(rho)), key=lambda b: (-rho[b], b))
    from fractions import Fraction

    count = max(1, math.ceil(Fraction(str(lam)) * len(rho)))
    return set(order[:count])


@given(
    rollouts(weights="none", prompts=(1, 6)), st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 1.0])
)
def test_grpo_lambda_marks_the_best_prompts(r: Rollouts, lam: float) -> None:
    """Invariants 1, 3, 6: exactly K prompts, none better left out; wrong 0, right in (1-a, 1]."""
    shaper = parse(f"grpo_lambda(lam={lam}, alpha=0.3)")
    marked = shaper.marked(r)[:, 0]
    assert set(np.flatnonzero(marked)) == slow_marked(r.correct, lam)
    reward = shaper.reward(r)
    assert np.array_equal(reward[~marked], r.correct[~marked])
    uniform = parse("efficient_reasoning(0.3)").reward(r)
    assert np.array_equal(reward[marked], uniform[marked])
    assert np.all(reward[r.correct == 0] == 0)
    assert np.all(reward[r.correct == 1] > 0.7)


def test_grpo_lambda_counts_no_absent_prompts() -> None:
    """Ten prompts of which five hold rollouts: lam = 0.2 marks one."""
    correct, weight = np.ones((10, 2)), np.ones((10, 2))
    weight[::2] = 0
    r = Rollouts(correct, np.tile([1.0, 2.0], (10, 1)), 4.0, weight=weight)
    marked = parse("grpo_lambda(lam=0.2)").marked(r)
    assert np.flatnonzero(marked).tolist() == [1]


def test_share_of_prompts_is_not_rounded_up_by_floating_point() -> None:
    """0.07 * 100 is 7.000000000000001 in floating point; it means 7 prompts."""
    assert 0.07 * 100 > 7
    r = Rollouts(np.ones((100, 1)), np.ones((100, 1)), 4.0)
    assert parse("grpo_lambda(lam=0.07)").marked(r).sum() == 7


@given(rollouts(weights="none", group=(2, 4)), st.floats(0.05, 1), st.floats(0.05, 1))
def test_alpha_cancels_in_all_right_groups(r: Rollouts, a: float, b: float) -> None:
    """Card 04, closed form: A_i = -(sigmoid(z_i) - mean)/std for every alpha > 0."""
    r = r.with_(correct=np.ones(r.shape))
    first = advantages("grpo_population", f"grpo_lambda(1, alpha={a!r})", r)
    other = advantages("grpo_population", f"grpo_lambda(1, alpha={b!r})", r)
    # rewards 1 - alpha s carry an error eps, seen through a spread of at least 0.05/50
    assert first == pytest.approx(other, abs=1e-9)


@given(rollouts(weights="none", group=(2, 4)), st.integers(1, 5), st.integers(0, 9))
def test_affine_lengths_change_nothing(r: Rollouts, scale: int, shift: int) -> None:
    """Card 04, invariant 5: L -> a L + c."""
    moved = r.with_(length=scale * r.length + shift)
    for text in ("grpo_lambda(1)", "efficient_reasoning()", "kimi()"):
        assert parse(text).reward(moved) == pytest.approx(parse(text).reward(r), abs=EXACT)


@given(rollouts(weights="none", group=(2, 4)), st.sampled_from([0.1, 0.25, 0.5]))
def test_groups_solved_less_often_than_one_minus_alpha_are_safe(r: Rollouts, alpha: float) -> None:
    """Card 04, invariant 8: rho <= 1 - alpha, so no right rollout has a negative advantage."""
    a = advantages("dr_grpo", f"grpo_lambda(1, alpha={alpha})", r)
    safe = r.correct.mean(-1, keepdims=True) <= 1 - alpha
    assert np.all(a[safe & (r.correct == 1)] >= 0)


def test_control_an_easy_group_is_not_safe() -> None:
    """All right, unequal lengths: the longest right answer is pushed down."""
    r = one_group([1, 1, 1], [1, 2, 9], 10)
    assert advantages("grpo_exact", "grpo_lambda(1)", r)[0, 2] < 0


# -- potentials (card 56) ------------------------------------------------------------------------
@given(
    rollouts(needs=("potential", "mask"), tokens=(1, 4), weights="none"),
    st.sampled_from([1.0, 0.9, 0.5]),
)
def test_potential_total_is_minus_phi_of_the_prompt(r: Rollouts, discount: float) -> None:
    """sum_t g^t (g phi_{t+1} - phi_t) telescopes to -phi_0, whatever the later potentials."""
    part = parse(f"potential({discount})").apply(r).parts["potential"]
    total = (part * discount ** np.arange(part.shape[-1])).sum(-1)
    start = np.where(r.length > 0, r.fields["potential"][..., 0], 0.0)
    assert total == pytest.approx(-start, abs=1e-12)
    assert np.all(part[r.mask == 0] == 0)


@given(rollouts(needs=("potential", "mask"), weights="none", group=(2, 4)))
def test_potential_is_invisible_to_group_advantages(r: Rollouts) -> None:
    """Section 4: siblings share the first potential, so the group mean removes the total."""
    phi = r.fields["potential"].copy()
    phi[..., 0] = phi[:, :1, 0]
    r = r.with_(potential=phi, length=np.maximum(r.length, 1), mask=np.maximum(r.mask, _first(r)))
    plain = advantages("grpo_exact", "outcome()", r)
    shaped = advantages("grpo_exact", "outcome() + potential()", r)
    assert shaped == pytest.approx(plain, abs=1e-12)


def _first(r: Rollouts) -> np.ndarray:
    return (np.arange(r.mask.shape[-1]) == 0) * np.ones(r.mask.shape)


def test_undiscounted_sum_of_discounted_potentials_is_seen() -> None:
    """The control: summed without discount, a length bias remains (section 4)."""
    phi = np.full((1, 2, 4), 1.0)
    mask = np.array([[[1, 1, 0, 0], [1, 1, 1, 1]]], dtype=float)
    r = Rollouts(np.ones((1, 2)), mask.sum(-1), 4.0, mask=mask, fields={"potential": phi})
    # -phi_0 - (1 - g) sum_{t >= 1} phi_t = -1 - 0.1 (n - 1)
    assert parse("potential(0.9)").reward(r) == pytest.approx(np.array([[-1.1, -1.3]]), abs=1e-12)
    assert parse("potential()").reward(r) == pytest.approx(np.array([[-1.0, -1.0]]), abs=1e-12)


@pytest.mark.slow
def test_laws_by_reward() -> None:
    """Which design goals hold, as the papers say: the table of `toyrl.testing` properties."""
    goals = ["wrong_never_above_right", "shorter_right_never_below"]
    both = ["truncation()", "laser()", "cosine()", "l1_max()", "efficient_reasoning()",
            "grpo_lambda()", "crf()", "outcome() - 0.9*linear_length()"]  # fmt: skip
    for text in both:
        assert check_invariants(text, invariants=goals, max_examples=50).ok, text
    kimi = check_invariants("kimi(3)", invariants=goals, max_examples=200)
    assert kimi.broken() == ("wrong_never_above_right",)


# -- names alike ----------------------------------------------------------------------------------
def test_the_weight_of_every_length_term_is_alpha_and_base_scores_are_right_and_wrong():
    """Fields of one meaning have one name; exceptions are products and names of a trainer."""
    fields = {e.name: set(e.fields) for e in registry.entries("shaper") if ".length." in e.path}
    cut = dict.fromkeys(
        ("truncation", "truncation_by_difficulty", "stop_properly"), "pays the rest"
    )
    unweighted = cut | {
        "hybrid_outcome": "no length term",
        "cosine": "names as in TRL",
        "mode_reward": "a table of payments",
    }
    terms = {"linear_length", "overlong", "token_budget", "brevity_penalty", "length_band",
             "word_band"}  # fmt: skip
    products = {"crf": "o (1 + ...)", "l1_max": "o times a clip"}
    for name, own in fields.items():
        assert not own & {"weight", "factor", "kappa", "penalty", "r_correct"}, name
        assert ("alpha" in own) == (name not in unweighted), name
        based = {"right", "wrong"} <= own
        assert based == (name not in {*terms, *products, "cosine", "mode_reward"}), name


@pytest.mark.parametrize("name", ["efficient_reasoning", "kimi", "grpo_lambda", "laser",
                                  "conciseness_additive", "l1_exact", "truncation"])  # fmt: skip
def test_base_scores_are_paid_to_right_and_wrong(name: str):
    """The outcome part is wrong + (right - wrong) o, graded outcomes between."""
    r = Rollouts(np.array([[1.0, 0.0, 0.5]]), np.array([[3.0, 3.0, 3.0]]), 10.0,
                 fields={"conciseness": np.full((1, 3), 0.5)})  # fmt: skip
    parts = parse(f"{name}(right=2, wrong=-0.5)").apply(r).parts
    first = next(iter(parts.values()))
    assert first[0].tolist() == [2.0, -0.5, 0.75]


def test_efficient_reasoning_of_the_laser_code():
    """Sample std, eps 1e-6; a base score scales the payment of right rollouts."""
    r = Rollouts(np.array([[1.0, 1.0, 0.0]]), np.array([[300.0, 100.0, 900.0]]), 1000.0)
    ours = parse("efficient_reasoning(alpha=0.4, ddof=1, eps=1e-6, wrong=-0.5)").reward(r)
    length = np.array([300.0, 100.0])
    z = (length - length.mean()) / (length.std(ddof=1) + 1e-6)
    assert ours[0, :2] == pytest.approx(1 - 0.4 / (1 + np.exp(-z)), rel=1e-12)
    # A base score scales the payment of right rollouts, as their product does.
    twice = parse("efficient_reasoning(right=2)").reward(r)
    assert twice[0, :2] == pytest.approx(2 * parse("efficient_reasoning()").reward(r)[0, :2])
