"""The benchmark of rewards of many tasks runs at a tiny size; its plain forms agree with ours."""

from __future__ import annotations

from benchmarks.graders_mixed import main


def test_it_runs(capsys):
    assert min(main(8, 1).values()) > 0
    assert "products alone" in capsys.readouterr().out
