"""Gold against KL: what optimising a proxy does to the truth, by tilting and by best of k."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from toyrl.experiments.core import Picture
from toyrl.experiments.lab.curves import lines
from toyrl.theory.policies import tilt_curve
from toyrl.theory.selection.best_of_k import curves

Array = Any


def gold_against_kl(
    name: str,
    title: str,
    prob: Array,
    proxies: Mapping[str, Array],
    gold: Array,
    *,
    k: Array | None = None,
    most: float = 1e3,
    points: int = 119,
    **options: Any,
) -> Picture:
    """Gold against sqrt(KL) of the policy tilted towards each proxy, from the base on.

    prob, gold : (B, K), one row a prompt (a single prompt may be (K,)); proxies : label -> (B, K)
    k : sizes of best of k, drawn dashed beside the tilts, None: tilts alone
    most : inverse temperature at the end of the path, over the spread of the proxy
    options : of the picture, such as its caption
    """
    prob, gold = (np.atleast_2d(np.asarray(x, dtype=float)) for x in (prob, gold))
    grid, drawn, dashed = np.concatenate([[0.0], np.geomspace(1e-2, most, points)]), {}, []
    for label, given in proxies.items():
        proxy = np.broadcast_to(np.asarray(given, dtype=float), prob.shape)
        spread = float(np.ptp(proxy[prob > 0])) or 1.0
        truth, _, nats = tilt_curve(prob, proxy, gold, grid / spread)
        drawn[label] = (np.sqrt(nats), truth)
        if k is not None:
            truth, _, nats = curves(prob, proxy, gold, k)
            dashed.append(f"{label}, best of k" if len(proxies) > 1 else "best of k")
            drawn[dashed[-1]] = (np.sqrt(nats), truth)
    return lines(name, title, ("sqrt(KL) from the base (sqrt nats)", "gold"), drawn,
                 dashed=dashed, **options)  # fmt: skip
