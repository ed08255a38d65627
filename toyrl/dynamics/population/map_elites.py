"""MAP-Elites by `ribs` on the same worlds: its grid archive and its emitters, our worlds.

What `ribs` has (archives, emitters, schedulers of them) is used from there; novelty search with
learned descriptors, SERENE and STAX are what it lacks. Needs the extra `search`.

Source: the rival of paper 24's experiments (code core/evolvers/map_elites.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.dynamics.population.grid import Grid
from toyrl.dynamics.population.members import World
from toyrl.extras import needed_by


def map_elites(world: World, budget: int, *, grid: Grid | None = None, emitter: str = "gaussian",
               sigma: float = 0.5, limit: float = 5.0, batch: int = 50, seed: int = 0
               ) -> tuple[Any, np.ndarray, np.ndarray]:  # fmt: skip
    """(ribs' archive, behaviours (N, p), rewards (N,)) of `budget` evaluations or a few more.

    grid : cells over the world's behaviour; None: 20 by 20 over [-1, 1]^2
    emitter : "gaussian" mutations of elites, or "line" (Iso+LineDD); sigma, limit : of the genes
    batch, seed : genomes a turn, and where the random numbers start

    Individuals with a NaN behaviour or reward are not shown to the archive.

    Raises MissingExtra without ribs, ValueError for another emitter and a budget below 1.
    """
    if emitter not in ("gaussian", "line") or budget < 1:
        msg = f"emitter={emitter!r} must be 'gaussian' or 'line', budget={budget} 1 or more"
        raise ValueError(msg)
    with needed_by("map_elites"):
        from ribs.archives import GridArchive
        from ribs.emitters import GaussianEmitter, IsoLineEmitter

    g = grid or Grid()
    p = len(g.bins)
    ranges = list(zip(np.broadcast_to(g.low, p), np.broadcast_to(g.high, p), strict=True))
    archive = GridArchive(solution_dim=world.genes, dims=g.bins, ranges=ranges, seed=seed)
    bounds = [(-limit, limit)] * world.genes
    shared: dict[str, Any] = {"x0": np.zeros(world.genes), "bounds": bounds, "batch_size": batch,
                              "seed": seed}  # fmt: skip
    asked: Any = (GaussianEmitter(archive, sigma=sigma, **shared) if emitter == "gaussian"
                  else IsoLineEmitter(archive, iso_sigma=sigma / 2, **shared))  # fmt: skip
    rng, seen, paid = np.random.default_rng(seed), [], []
    while sum(map(len, paid)) < budget:
        genomes = asked.ask()
        behaviour, _, reward = world.evaluate(genomes, rng)
        seen.append(behaviour)
        paid.append(reward)
        ok = np.isfinite(behaviour).all(1) & np.isfinite(reward)
        if ok.any():
            archive.add(genomes[ok], reward[ok], behaviour[ok])
    return archive, np.concatenate(seen), np.concatenate(paid)
