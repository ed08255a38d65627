"""The weight of each outcome class: the infinite-group advantages of a batch of prompts."""

from __future__ import annotations

import numpy as np

from toyrl.dynamics.chain.kernel.compiled import LANES, compiled


@compiled
def moments(prob, reward, length, mean, tokens, low, high):
    """Of one prompt by lane: mean reward, mean length, least and largest reward of its classes.

    Classes with probability 0 have no extremes.
    """
    mean[:] = 0.0
    tokens[:] = 0.0
    low[:] = np.inf
    high[:] = -np.inf
    for k in range(prob.shape[0]):
        for lane in range(mean.size):
            x, p = reward[k, lane], prob[k, lane]
            mean[lane] += p * x
            tokens[lane] += p * length[k]
            low[lane] = x if p > 0 and x < low[lane] else low[lane]
            high[lane] = x if p > 0 and x > high[lane] else high[lane]


@compiled
def squares(prob, reward, variance, mean, share, out):
    """Adds sum_k share prob ((reward - mean)^2 + variance) to out, by lane."""
    for k in range(prob.shape[0]):
        for lane in range(out.size):
            d = reward[k, lane] - mean[lane]
            out[lane] += share[lane] * prob[k, lane] * (d * d + variance[k, lane])


@compiled
def fill_weights(reward, factor, centre, per_token, w):
    """w = factor (reward - centre) per_token, by lane."""
    for lane in range(w.size):
        w[lane] = factor[lane] * (reward[lane] - centre[lane]) * per_token


@compiled
def group_weights(prob, reward, variance, share, length, reference, setup, max_length, cut, w):
    """w (B, K, LANES): the infinite-group weights of GroupEstimator with PolicyGradient.

    setup = (baseline, scale, eps, aggregation) as codes: baseline 0 none, 1 batch, 2 mean;
    scale 0 none, 1 group, 2 batch; aggregation 0 sum, 1 grpo, 2 dapo, 3 dr_grpo. `reference`
    (LANES,) multiplies per-token aggregations. Weights include the prompt's share. `cut` = 1 gives
    the last class, truncated, weight 0 and leaves its tokens out of the loss's count; advantages
    are still those of whole groups.
    """
    B, K = prob.shape[0], prob.shape[1]
    baseline, scale, eps, aggregation = setup
    mean_all, tokens = np.zeros(LANES), np.zeros(LANES)
    mean, long = np.empty((B, LANES)), np.empty((B, LANES))
    low, high = np.empty((B, LANES)), np.empty((B, LANES))
    for b in range(B):
        moments(prob[b], reward[b], length, mean[b], long[b], low[b], high[b])
        for lane in range(LANES):
            mean_all[lane] += share[b, lane] * mean[b, lane]
            lost = cut * prob[b, K - 1, lane] * length[K - 1]
            tokens[lane] += share[b, lane] * (long[b, lane] - lost)
    square_all = np.zeros(LANES)
    if scale == 2:
        for b in range(B):
            squares(prob[b], reward[b], variance[b], mean_all, share[b], square_all)
    one, square = np.ones(LANES), np.empty(LANES)
    factor, centre = np.empty(LANES), np.empty(LANES)
    for b in range(B):
        square[:] = 0.0
        if scale == 1:
            squares(prob[b], reward[b], variance[b], mean[b], one, square)
        for lane in range(LANES):
            large = max(abs(low[b, lane]), abs(high[b, lane]))
            own = mean[b, lane] if baseline == 2 else 0.0
            centre[lane] = mean_all[lane] if baseline == 1 else own
            divisor = 1.0
            signal = not (baseline == 2 and high[b, lane] <= low[b, lane])
            if scale > 0:
                std = np.sqrt(square[lane] if scale == 1 else square_all[lane])
                signal = signal and std > (8 * 2.220446049250313e-16 * large if eps == 0 else 0.0)
                divisor = std + eps
            factor[lane] = share[b, lane] / divisor if signal else 0.0
            if aggregation == 2:
                factor[lane] *= reference[lane] / tokens[lane]
            elif aggregation == 3:
                factor[lane] *= reference[lane] / max_length
            elif aggregation == 1:
                factor[lane] *= reference[lane]
        for k in range(K):
            per_token = 1.0 / max(length[k], 1.0) if aggregation == 1 else 1.0
            fill_weights(reward[b, k], factor, centre, per_token, w[b, k])
        if cut:
            w[b, K - 1] = 0.0
