"""`make peers` on a checkout written for the test: that agrees, differs, fails, is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from benchmarks import trainer_peers

# The interface of OpenRLHF's PolicyLoss; it imports packages that no machine has.
SOURCE = """
import ray_of_nobody as ray
import torch
from engine_of_nobody.serving import Base

@ray.remote
class Worker(Base):
    pass

class PolicyLoss:
    def __init__(self, token_level_loss=True, dual_clip=None, policy_loss_type="ppo"):
        self.rows = not token_level_loss or policy_loss_type == "gspo"
        self.dual_clip, self.kind = dual_clip, policy_loss_type

    def __call__(self, logp, old, a, action_mask=None):
        m, x = action_mask, logp - old
        if self.kind == "gspo":
            x = (x * m).sum(-1, keepdim=True) / m.sum(-1, keepdim=True) + 0 * x
        j = torch.min(x.exp() * a, x.exp().clamp(0.8, HIGH) * a)
        if self.dual_clip:
            j = torch.where(a < 0, torch.max(j, self.dual_clip * a), j)
        each = (j * m).sum(-1)
        return -(each / m.sum(-1)).mean() if self.rows else -each.sum() / m.sum(), None
"""


def checkout(folder: Path, source: str) -> Path:
    models = folder / "openrlhf" / "models"
    models.mkdir(parents=True)
    for init in (models.parent / "__init__.py", models / "__init__.py"):
        init.write_text("")
    (models / "loss.py").write_text(source)
    return folder


def test_a_checkout_that_agrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made = checkout(tmp_path, SOURCE.replace("HIGH", "1.2"))
    assert trainer_peers.compared("openrlhf", made) == 0
    told = capsys.readouterr().out
    assert told.count("openrlhf: ") == 4
    assert "DIFFERS" not in told


def test_a_checkout_that_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert (
        trainer_peers.compared("openrlhf", checkout(tmp_path, SOURCE.replace("HIGH", "1.3"))) == 1
    )
    assert "openrlhf: ppo: " in (told := capsys.readouterr().out)
    assert "DIFFERS" in told


def test_code_that_cannot_be_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert trainer_peers.compared("openrlhf", checkout(tmp_path, "PolicyLoss = 3")) == 2
    assert "found, but could not be run: TypeError" in capsys.readouterr().out


def test_what_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert trainer_peers.compared("nemo_rl", None) == 0
    assert "nemo_rl: NOT INSTALLED" in capsys.readouterr().out
    assert trainer_peers.compared("nemo_rl", tmp_path) == 2
    assert "no folder nemo_rl" in capsys.readouterr().out
    assert trainer_peers.main(["nemo=x"]) == 2
    assert "no such trainer: nemo" in capsys.readouterr().out
