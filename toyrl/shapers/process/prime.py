"""PRIME's dense reward: log-ratios of an implicit reward model, less what the siblings' tokens pay.

With r_t the process reward of a token, m_i the mean of r over the T_i tokens of response i and K
siblings, a token is paid

    paper      r_t - mean over j != i of m_j
    released   K/(K-1) r_t - 1/(K-1) sum over all j of m_j,  the same plus (r_t - m_i)/(K - 1)

The extra term sums to 0 over a response, so both pay T_i (m_i - mean of the other m_j) in all:
means per token are compared and multiplied by the length. They differ in what is still to come from
a later token on. Before it the released code may divide all token rewards of the batch by their
largest return-to-go ("batch_norm"), which takes beta out.

What the estimator `prime` makes of this with an outcome: `toyrl.estimators.prime`.

Source: paper 53 (PRIME), Eqs. 3-5; code PRIME-RL/PRIME core_algos.py (compute_rloo_returns) and
dp_prime.py, verl recipe/prime/prime_core_algos.py and prime_dp_rm.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from array_api_compat import array_namespace

from toyrl import stats
from toyrl.ranges import FINITE, FLAG, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.tokens import backward, last_token, returns_to_go
from toyrl.shapers.base import Parts, at
from toyrl.shapers.process.implicit import ImplicitShaper, log_ratios

Array = Any
EPS = 1e-6  # of the released batch_norm, in units of the token rewards


def smoothed(tokens: Array, mask: Array, *, lam: Any) -> Array:
    """x_t = r_t + lam x_(t+1) over the tokens of the mask: the released option `lambda`.

    tokens, mask, and the answer : (..., B, G, T); lam : in [0, 1], 0 leaves the rewards as they are
    """
    return mask * backward(mask * lam + (1 - mask), mask * tokens)


def batch_normed(tokens: Array, mask: Array, w: Array) -> Array:
    """Token rewards over the largest |return-to-go| of the batch + 1e-6; all zeros stay zeros.

    tokens, mask, and the answer : (..., B, G, T); w : (..., B, G), rollouts of weight 0 don't count

    One extreme response shrinks every prompt's rewards.
    """
    xp = array_namespace(tokens, mask)
    live = (mask > 0) & (w[..., None] > 0)
    own = xp.where(live, tokens, xp.zeros_like(tokens))
    if 0 in own.shape[-3:]:  # nothing to take a maximum of
        return own
    largest = xp.max(xp.abs(returns_to_go(own)), axis=(-3, -2, -1), keepdims=True)
    return own / (largest + EPS)


def less_siblings_means(
    tokens: Array, mask: Array, w: Array, *, released: Any = False, size: Any = None
) -> Array:
    """Token rewards less the mean of the siblings' means per token, (..., B, G, T).

    tokens, mask : (..., B, G, T); w : (..., B, G), 0 = no sibling
    released : False as in the paper, True as in both released codes
    size : rollouts behind the weights (None: their sum; inf: the population)

    0 off the mask, and in a group of one, where there is no sibling. A response without a token has
    the mean 0.
    """
    xp = array_namespace(tokens, mask)
    weight = mask * w[..., None]
    own = stats.mean(tokens, mask)
    means = own[..., 0]
    n = stats.mass(w) if size is None else size
    bessel = stats.bessel(n, 1.0)
    # m_i - mean of the others = n/(n-1) (m_i - mean), exactly 0 in a tied group.
    ahead = bessel * (means - stats.mean(means, w))
    ahead = xp.where(stats.tied(means, w), xp.zeros_like(ahead), ahead)
    factor = 1.0 + (1.0 * released) * (xp.zeros_like(means) + bessel - 1.0)
    out = factor[..., None] * (tokens - own) + ahead[..., None]
    single = (xp.zeros_like(means) + n <= 1)[..., None]
    return xp.where((weight > 0) & ~single, out, xp.zeros_like(out))


def in_band(r: Rollouts, *, low: Any, high: Any) -> Array:
    """(..., B, 1) True for prompts whose share of right rollouts lies in [low, high].

    The accuracy filter of online sampling: paper 53, section 3, with [0.2, 0.8].
    """
    share = stats.mean(r.correct, r.w)
    # A share such as 1/5 is a rounded number: the band's own ends belong to it.
    slack = 8 * r.xp.finfo(share.dtype).eps
    return (share >= low - slack) & (share <= high + slack)


@entry(
    "prime_process",
    kind="shaper",
    formula="r_t - mean over siblings of m_j, r_t = beta log pi_prm/pi_ref, m_j its mean",
    cards=("53",),
    section="Eqs. 3 and 5, bracket; code core_algos.py, dp_prime.py",
    provenance="code",
)
@dataclass(frozen=True)
class PrimeProcess(ImplicitShaper):
    """A term per token: PRIME's process reward less its siblings'; T_i (m_i - others) in all.

    beta : of the log-ratio, 0.05
    released : the baseline as in both released codes
    batch_norm : all tokens over the batch's largest return-to-go first (beta then has no effect)
    keeps_last : False drops the last token's reward, as the recipe of verl does
    lam : `smoothed` before all that; 0 in all published runs
    low, high : prompts whose share of right rollouts lies outside pay nothing and are in no maximum

    The scalar of a trainer that takes one number a rollout is linear in the length and gives the
    first token's credit to all: the benefit is lost. The estimator `prime` takes the plain
    `outcome() + implicit_process()` and does all this itself.
    """

    beta: Annotated[Any, FINITE] = 0.05
    released: Annotated[bool, FLAG] = False
    batch_norm: Annotated[bool, FLAG] = False
    keeps_last: Annotated[bool, FLAG] = True
    lam: Annotated[Any, SHARE] = 0.0
    low: Annotated[Any, SHARE] = 0.2
    high: Annotated[Any, SHARE] = 0.8
    token_level: ClassVar[bool] = True
    scope: ClassVar[str] = "batch"
    needs: ClassVar[tuple[str, ...]] = ("correct", *ImplicitShaper.needs)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        xp, mask = r.xp, r.need("mask", by="prime_process")
        ratio = at(self.beta, r.step) * log_ratios(r, by="prime_process")
        lost = xp.any(xp.isnan(ratio), axis=-1)
        w = xp.where(in_band(r, low=self.low, high=self.high) & ~lost, r.w, xp.zeros_like(r.w))
        found = dense_tokens(
            xp.where(xp.isnan(ratio), xp.zeros_like(ratio), ratio), mask, w,
            released=self.released, batch_norm=self.batch_norm, keeps_last=self.keeps_last,
            lam=at(self.lam, r.step), size=r.group_size,
        )  # fmt: skip
        return {"process": xp.where(lost[..., None], xp.full_like(found, xp.nan), found)}


def dense_tokens(
    tokens: Array,
    mask: Array,
    w: Array,
    *,
    released: Any = False,
    batch_norm: Any = False,
    keeps_last: Any = True,
    lam: Any = 0.0,
    size: Any = None,
) -> Array:
    """Process rewards (..., B, G, T) as PRIME pays them: smoothed, normed, less the siblings'.

    tokens, mask : (..., B, G, T), finite; w : (..., B, G); the rest as in `PrimeProcess`
    """
    xp = array_namespace(tokens, mask)
    # A flag or a number may be traced: then both branches are computed.
    own = tokens if _plain(lam, 0) else smoothed(tokens, mask, lam=lam)
    if not _plain(keeps_last, 1):
        keep = xp.asarray(1.0 * keeps_last) > 0.5
        own = xp.where(keep | ~(last_token(mask) > 0), own, xp.zeros_like(own))
    if not _plain(batch_norm, 0):
        normed = xp.asarray(1.0 * batch_norm) > 0.5
        own = xp.where(normed, batch_normed(own, mask, w), own)
    return less_siblings_means(own, mask, w, released=released, size=size)


def _plain(value: Any, number: int) -> bool:
    return isinstance(value, (bool, int, float)) and value == number
