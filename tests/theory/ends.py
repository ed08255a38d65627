"""Ends of ranges that corners share: chances, group sizes, laws, rewards, prompts."""

from __future__ import annotations

import math

import numpy as np

INF = math.inf
P = (0.0, 0.3, 1.0)
UNIT = (0.0, 0.5, 1.0)
GROUP = (1, 2, 8)
ONE, ALL, SOME, SURE = [1.0], [0.2, 0.3, 0.5], [0.4, 0.6, 0.0], [1.0, 0.0, 0.0]
LAWS = (ALL, SOME, SURE)
REWARDS = ([1.0, 0.0, 2.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
POLICIES = tuple(np.array(x) for x in LAWS)
PAID = tuple(np.array(x) for x in REWARDS)
RARE = np.array([1 - 1e-15, 1e-15, 1e-300])
PROMPTS = tuple(np.array([p, q]) for p in LAWS for q in LAWS)
BATCH = tuple(np.array([r, s]) for r in REWARDS for s in REWARDS)
SHARES = (np.array([0.5, 0.5]), np.array([1.0, 0.0]))
