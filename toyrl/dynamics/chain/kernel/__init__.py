"""The compiled inner loop of exact training: many worlds in SIMD lanes, adjoint by hand.

Arrays hold LANES worlds in their last axis, so that every inner loop is one vector operation.
Per update: policy -> transition coefficients -> forward pass (occupancies, class
probabilities) -> class weights -> backward value sweep -> gradient of the logits. The transition
of the chain is banded (progress moves by 0 or 1), so a state needs few coefficients (`rows`).

Occupancies, values and coefficients are rows: (D+1) * LANES numbers of one phase and error bit.
Rows of policies are (phase * flags + flag) * (D+1) + m.
`toyrl.dynamics.chain.exact` is the host side; `toyrl.worlds.chain.forward` the readable reference.
"""

from toyrl.dynamics.chain.kernel.compiled import LANES
from toyrl.dynamics.chain.kernel.training import train

__all__ = ["LANES", "train"]
