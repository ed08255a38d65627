"""The weight of each outcome class: the infinite-group advantages of a batch of prompts."""

from __future__ import annotations

import numpy as np

from toyrl.dynamics.chain.kernel.compiled import LANES, compiled


@compiled
def weighted_sums(prob, reward, length, share, mean, tokens):
    """Adds sum_k share prob reward to mean and sum_k share prob length to tokens, by lane."""
    for k in range(prob.shape[0]):
        for lane in range(share.size):
            x = share[lane] * prob[k, lane]
            mean[lane] += x * reward[k, lane]
            tokens[lane] += x * length[k]


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
def extremes(prob, reward, low, high):
    """low, high = least and largest reward of classes with probability above 0, by lane."""
    low[:] = np.inf
    high[:] = -np.inf
    for k in range(prob.shape[0]):
        for lane in range(low.size):
            x, here = reward[k, lane], prob[k, lane] > 0
            low[lane] = x if here and x < low[lane] else low[lane]
            high[lane] = x if here and x > high[lane] else high[lane]


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
    for b in range(B):
        weighted_sums(prob[b], reward[b], length, share[b], mean_all, tokens)
        for lane in range(LANES):
            tokens[lane] -= cut * share[b, lane] * prob[b, K - 1, lane] * length[K - 1]
    square_all = np.zeros(LANES)
    if scale == 2:
        for b in range(B):
            squares(prob[b], reward[b], variance[b], mean_all, share[b], square_all)
    one = np.ones(LANES)
    mean, square = np.empty(LANES), np.empty(LANES)
    factor, centre = np.empty(LANES), np.empty(LANES)
    low, high = np.empty(LANES), np.empty(LANES)
    for b in range(B):
        mean[:] = 0.0
        square[:] = 0.0
        weighted_sums(prob[b], reward[b], length, one, mean, factor)
        if scale == 1:
            squares(prob[b], reward[b], variance[b], mean, one, square)
        if baseline == 2 or eps == 0:
            extremes(prob[b], reward[b], low, high)
        for lane in range(LANES):
            large = max(abs(low[lane]), abs(high[lane]))
            centre[lane] = mean_all[lane] if baseline == 1 else mean[lane] if baseline == 2 else 0.0
            divisor = 1.0
            signal = not (baseline == 2 and high[lane] <= low[lane])
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
