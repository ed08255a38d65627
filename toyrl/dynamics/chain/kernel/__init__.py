"""The compiled inner loop of exact training: many worlds in SIMD lanes, adjoint by hand.

Arrays hold LANES worlds in their last axis, so that every inner loop is one vector operation.
Per update: policy -> transition coefficients -> forward pass (occupancies, class
probabilities) -> class weights -> backward value sweep -> gradient of the logits. The transition
of the chain is banded (progress moves by 0 or 1), so a state needs eight coefficients:

    0 stay   1 advance   2 err   3 advance and err   4 repair   5 end thinking
    6 answer right       7 answer wrong

State arrays are (phases, error bit, D+1, LANES); policy rows (phase * flags + flag) * (D+1) + m.
`toyrl.dynamics.chain.exact` is the host side; `toyrl.worlds.chain.forward` the readable reference.
"""

from toyrl.dynamics.chain.kernel.compiled import LANES
from toyrl.dynamics.chain.kernel.training import train

__all__ = ["LANES", "train"]
