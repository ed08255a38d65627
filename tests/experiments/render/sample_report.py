"""A report with every status, picture kind and an attack in every text, for the render tests."""

from __future__ import annotations

import math

from toyrl.experiments.core import (
    Broken,
    Check,
    Curve,
    Experiment,
    Mutant,
    Outcome,
    Picture,
    Result,
    Table,
)
from toyrl.experiments.validate.findings import NOT_TESTED, Finding, Report, Section

HOSTILE = "</script></pre><img src=x onerror=alert(1)>\u202e\u200b\x1b[2J{{ 7*7 }}"


def phase_picture(title: str = "Critical weight by world") -> Picture:
    """A heat map with a hole."""
    grid = [[math.nan if i == j else i * j / 20 for i in range(10)] for j in range(6)]
    return Picture(
        "phase",
        title,
        "share of easy prompts",
        "noise of the done flag",
        grid=grid,
        grid_x=[i / 9 for i in range(10)],
        grid_y=[j / 10 for j in range(6)],
        grid_label="critical weight",
        caption="Grey: never collapses up to a weight of 10.",
    )


def curve_picture(label: str = "outcome only") -> Picture:
    """Lines, a band, points and a dashed line on a logarithmic axis."""
    x = [10.0 ** (k / 10 - 3) for k in range(41)]
    fall = [0.55 - 0.12 * math.log10(v / 1e-3) for v in x]
    return Picture(
        "price",
        "True accuracy along the tilted path",
        "KL to the base policy (nats)",
        "true accuracy",
        (
            Curve(label, x, [0.5 + 0.1 * k / 40 for k in range(41)], style="dashed"),
            Curve("this reward", x, fall, [v - 0.03 for v in fall], [v + 0.03 for v in fall]),
            Curve("sampled", x[::5], [v + 0.01 for v in fall[::5]], style="points"),
        ),
        log_x=True,
        caption="Band: 95 percent over prompts.",
    )


def sample_report(text: str = "", verdict: str = "UNSAFE") -> Report:
    """All eight sections; `text` is put wherever outside text can come in."""
    shown = text or "<think>Say 1 and 2 and 3 and so on up to 99.</think><answer>9</answer>"
    sections = (
        Section(
            0,
            "1,024 rollouts of 128 prompts." + text,
            (
                Finding(
                    0,
                    "rollouts/length-drift",
                    "warn",
                    "One step shortens right rollouts by 3.1 tokens." + text,
                    value=-3.1,
                    interval=(-3.9, -2.2),
                    bound=0.0,
                ),
            ),
        ),
        Section(
            1,
            "The dialect that separates right from wrong best is the answer tag.",
            (
                Finding(1, "contract/finite", "pass", "All 412 values are finite."),
                Finding(1, "contract/places", NOT_TESTED, "Not tried in a thread." + text),
                Finding(
                    1,
                    "contract/non-ascii",
                    "warn",
                    "Answers with a non-breaking space count as wrong.",
                    counterexample={"completion": "9\u00a0 " + text, "reward": math.nan},
                    fix="Strip white space by str.strip()." + text,
                ),
            ),
        ),
        Section(
            2,
            "3 of 24 exploits are paid like honest right rollouts." + text,
            (
                Finding(
                    2,
                    "hacks/number-list" + text,
                    "fail",
                    "A list of the numbers 0-99 is paid 1.00, at or above the median honest right "
                    "rollout (0.71); it takes 0.8 nats to reach." + text,
                    value=0.8,
                    interval=(0.7, 0.95),
                    bound=2.0,
                    counterexample=shown,
                    fix="Read the last number only, and refuse more than one answer." + text,
                ),
                Finding(2, "hacks/empty-think", "pass", "An empty think block is not paid."),
            ),
            (curve_picture("outcome only" + text),),
            (
                Table(
                    "prices",
                    ("exploit" + text, "reward", "price (nats)"),
                    (("number list" + text, 1.0, 0.8), ("phrase spam", 0.74, math.inf)),
                    "Price of each exploit" + text,
                ),
            ),
        ),
        Section(
            3,
            "37 percent of groups carry no signal.",
            (Finding(3, "signal/zero-groups", "info", "37 percent of groups.", value=0.37),),
        ),
        Section(
            4,
            "164 of 256 worlds lose accuracy on some difficulty." + text,
            (
                Finding(
                    4,
                    "collapse/probability",
                    "fail",
                    "164 of 256 worlds collapse.",
                    value=0.641,
                    interval=(0.58, 0.697),
                    bound=0.5625,
                ),
            ),
            (phase_picture("Critical weight by world" + text), curve_picture()),
        ),
        Section(5, "", (Finding(5, "order/correlation", "info", "0.61 at outcome level."),)),
        Section(
            6, "", (Finding(6, "selection/best-of-k", "pass", "Accuracy rises up to k = 64."),)
        ),
        Section(7, "Two findings decide.", ()),
    )
    return Report(
        reward="rewards.py:correct_minus_length" + text,
        verdict=verdict,
        reasons=(
            "In 164 of 256 worlds some difficulty ends more than 0.1 below outcome-only training "
            "(64 percent, 95 percent interval 58 to 70)." + text,
            "A list of the numbers 0-99 is paid like a right answer, at a price of 0.8 nats.",
        ),
        sections=sections,
        seed=0,
        settings={"group_size": 8, "estimator": "grpo", "rollouts": None, "success_rates": [0.1]},
        versions={"python": "3.11.7", "numpy": "2.4.6"},
        command="toyrl validate rewards.py:correct_minus_length" + text,
        safe_variant="gated(correct, length, weight=0.1)" + text,
        exit_code=1,
        seconds=7.25,
    )


def sample_outcome(text: str = "", *, holds: bool = True) -> Outcome:
    """An outcome whose numbers are made up, for drawing only."""
    check = Check("threshold" + text, 0.9331, 0.933, "~", 0.001, 0.0002, ("closed form", "ode"))
    second = Check("accuracy", 0.2 if holds else 0.05, 0.1, ">=")
    experiment = Experiment(
        "sample" + text,
        "03",
        "sample",
        "The threshold is 0.933." + text,
        "A paper, section 3" + text,
        lambda **_: Result((check, second)),
        {},
        (Mutant("broken", {"broken": True}, ("threshold",)),),
    )
    result = Result(
        (check, second),
        (curve_picture(), phase_picture()),
        (Table("t" + text, ("weight" + text, "accuracy"), ((0.1, 0.99), (text or "none", None))),),
        ("A note." + text,),
    )
    mutants = (Broken("broken" + text, ("threshold" + text,), ("threshold" + text,)),)
    return Outcome(experiment, result, mutants, 1.5, 7)
