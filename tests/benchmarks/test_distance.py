"""The benchmark of distances runs, and its checks of agreement can fail."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import distance as bench
from toyrl.worlds.mdp.random import corridor, garnet


def test_dense_peers_agree_and_are_timed():
    rows = bench.against_peers(6, 2, 1)
    assert {name for name, _, _ in rows} >= set(bench.PEERS)
    assert all(ours > 0 and peer > 0 for _, ours, peer in rows)
    assert bench.against_products(8, 2, 1) > 0
    assert min(bench.batch(6, 2, 4, 1)) > 0


def test_a_peer_that_needs_too_much_memory_is_left_out(monkeypatch):
    monkeypatch.setattr(bench, "MEMORY", 1.0)
    left = [peer for name, _, peer in bench.against_peers(5, 2, 1) if "lstsq" in name]
    assert np.isnan(left).all()


def test_sparse_processes():
    for mdp in (garnet(np.random.default_rng(0), 60, 4), corridor(60)):
        found = bench.sparse_times(mdp, ["starc", "val", "epic", "dard"])
        assert all(spent > 0 for spent, _ in found.values())
        assert found["val"][1]
    slow, quick = bench.plain_steps(300)
    assert slow > quick
    ours, read, edges = bench.sweep_time(6, 10, 3, 1)
    assert min(ours, read) > 0
    assert edges == 180


def test_control_a_wrong_answer_stops_it(monkeypatch):
    broken = {"EPIC, means over axes": (lambda _, R: R, *bench.PEERS["EPIC, means over axes"][1:])}
    monkeypatch.setattr(bench, "PEERS", broken)
    with pytest.raises(AssertionError, match="ours and the peer's are"):
        bench.against_peers(5, 2, 1)


def test_tables_are_printed(monkeypatch, capsys):
    arguments = "--sizes 5x2 --products 6x2 --sparse 40 80 --layers 3 --steps 60 --repeats 1"
    monkeypatch.setattr("sys.argv", ["distance.py", *arguments.split()])
    bench.main()
    told = capsys.readouterr().out
    assert "time grows like S^" in told
    assert "peak memory" in told
