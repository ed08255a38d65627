"""The optional fields of rollouts by name: axes, range, unit and where each comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldSpec:
    """What an optional field means: its axes after (..., B, G), range, unit and origin."""

    name: str
    axes: str
    low: float
    high: float
    unit: str
    origin: str


FIELDS: dict[str, FieldSpec] = {}


def behind(name: str) -> str:
    """The axis of a field behind (..., B, G): "", "T" (tokens) or "M" (references)."""
    return FIELDS[name].axes if name in FIELDS else ""


def register_field(
    name: str,
    *,
    axes: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    unit: str = "1",
    origin: str,
) -> FieldSpec:
    """Name an optional field: per rollout (``axes=""``), per token ("T"), per reference ("M").

    The numbers of a prompt's M references stand behind each of its rollouts.

    Raises ValueError for a name that is taken.
    """
    if name in FIELDS:
        msg = f"field {name!r} is registered already ({FIELDS[name].origin}); choose another name"
        raise ValueError(msg)
    FIELDS[name] = FieldSpec(name, axes, low, high, unit, origin)
    return FIELDS[name]


register_field("logprobs", axes="T", high=0.0, unit="nats", origin="the policy's forward pass")
register_field("ref_logprobs", axes="T", high=0.0, unit="nats", origin="a frozen reference model")
register_field(
    "prm_logprobs",
    axes="T",
    high=0.0,
    unit="nats",
    origin="an implicit reward model's forward pass",
)
register_field("entropy", axes="T", low=0.0, unit="nats", origin="the policy's forward pass")
register_field(
    "self_certainty",
    axes="T",
    low=0.0,
    unit="nats",
    origin="the policy's logits: KL of the uniform law over words to the policy",
)
register_field("step_scores", axes="T", low=0.0, high=1.0, origin="a process reward model")
register_field("step_ends", axes="T", low=0.0, high=1.0, origin="a step splitter: 1 on last tokens")
register_field(
    "think_end",
    axes="T",
    low=0.0,
    high=1.0,
    origin="toyrl.graders.steps.phases: 1 on the token or tokens that close the thinking",
)
register_field(
    "relevance_scores",
    axes="T",
    origin="a reward model of sub-sentences: its score on their last tokens, 0 elsewhere",
)
register_field(
    "factuality_scores",
    axes="T",
    origin="a reward model of sentences: its score on their last tokens, 0 elsewhere",
)
register_field(
    "step_rewards",
    axes="T",
    origin="toyrl.models.steps.return_decoder: a model of factors, on the last tokens of steps",
)
register_field(
    "return_predictions",
    axes="T",
    origin="a model of the return expected after each step, on its last token",
)
register_field(
    "trace_prefix",
    low=0.0,
    high=1.0,
    origin="toyrl.graders.traces: states before the first wrong one, of those of the program",
)
register_field(
    "trace_states", low=0.0, unit="states", origin="toyrl.graders.traces: states of the program"
)
register_field("completeness", origin="a reward model of whole texts: its raw score")
register_field("toxicity", axes="T", low=0.0, high=1.0, origin="a classifier of the text so far")
register_field(
    "route",
    axes="T",
    low=0.0,
    high=1.0,
    origin="the share of the route, or of a text's verified sub-goals, that is done after the step",
)
register_field(
    "hard",
    axes="T",
    low=0.0,
    high=2.0,
    origin="a simulator or grader: 1 where an infraction ends the episode, 2 if it is a collision",
)
for _name, _what in (
    ("lane", "close to the lane's centre"),
    ("off_route", "within the route's lanes"),
    ("speed", "within the speed limit"),
    ("comfort", "within the limits of comfort"),
    ("ttc", "clear of a collision course"),
):
    register_field(
        _name,
        axes="T",
        low=0.0,
        high=1.0,
        origin=f"a simulator or grader: the factor of a step, 1 {_what}",
    )
register_field("potential", axes="T", origin="a potential function of the prefix before the token")
register_field("conciseness", low=0.0, high=1.0, origin="a conciseness reward model or a grader")
register_field(
    "approval",
    high=0.0,
    unit="nats per token",
    origin="toyrl.models.follow_ups: a frozen model's log-likelihood of approving follow-ups",
)
register_field(
    "disapproval",
    high=0.0,
    unit="nats per token",
    origin="toyrl.models.follow_ups: a frozen model's log-likelihood of disapproving follow-ups",
)
register_field(
    "approval_logit",
    unit="logit",
    origin="toyrl.models.follow_ups.released_score of approving follow-ups",
)
register_field(
    "disapproval_logit",
    unit="logit",
    origin="toyrl.models.follow_ups.released_score of disapproving follow-ups",
)
register_field(
    "probe_distance",
    low=0.0,
    unit="of the representation",
    origin="toyrl.models.reward.centroids: from the nearest text the reward model was probed on",
)
register_field("judge", origin="a judge model or a grader")
register_field(
    "analysis",
    low=0.0,
    high=2.0,
    unit="level",
    origin="a judge of the thought: 0 no analysis of the source, 1 light, 2 detailed",
)
register_field(
    "quality_estimate",
    low=0.0,
    high=1.0,
    origin="a reference-free quality model such as CometKiwi; NaN where it gave none",
)
register_field(
    "pivot",
    low=0.0,
    high=1.0,
    origin="the data: 1 where the prompt's language direction is paid for quality",
)
register_field(
    "in_language",
    low=0.0,
    high=1.0,
    origin="a language identifier: 1 if the answer is in the target language; NaN where unsure",
)
register_field(
    "agreement",
    low=0.0,
    high=1.0,
    origin="toyrl.graders.judged.rankings: a judge's order of a list beside the truth",
)
register_field(
    "judge_references",
    axes="M",
    origin="the judge's scores of M responses of the reference policy to the same prompt",
)
register_field(
    "verified", low=0.0, high=1.0, origin="a verifier's verdict: 1 accepted, right or not"
)
register_field("format", low=0.0, high=1.0, origin="a format grader")
register_field("answered", low=0.0, high=1.0, origin="an answer parser: 1 if an answer was found")
register_field(
    "thought", low=0.0, high=1.0, origin="toyrl.graders.steps.phases: 1 for a closed think block"
)
register_field(
    "words", low=0.0, unit="words", origin="toyrl.graders.steps.phases: words of the answer part"
)
register_field("mode", low=0.0, high=1.0, origin="the rollout's latent mode, 1 = long")
register_field("phrases", low=0.0, unit="phrases", origin="counter of stock phrases in the text")
register_field("answer", low=-1.0, origin="answer identity: 0 right, 1.. wrong ones, -1 none")
register_field(
    "pair_id", low=0.0, origin="the data: the question that the prompt asks in some words"
)
register_field("view", low=0.0, high=1.0, origin="the data: 0 the question, 1 its paraphrase")
register_field("task", low=0.0, origin="the data: the kind of task of the prompt, 0, 1, ...")
register_field("user_reward", origin="a user's own reward function, per rollout")
register_field(
    "repeated",
    low=0.0,
    high=1.0,
    origin="toyrl.graders.likeness.repetition: 1 if the text repeats itself",
)
register_field(
    "verifiable", low=0.0, high=1.0, origin="the data: 1 if the prompt's answers can be checked"
)
register_field(
    "similarity", low=-1.0, high=1.0, origin="cosine to the reference, an embedding model"
)
register_field("steps", low=0.0, unit="steps", origin="counter of STEP actions in the toy chain")
register_field("fillers", low=0.0, unit="actions", origin="counter of FILL actions")
register_field("checks", low=0.0, unit="actions", origin="counter of CHECK actions")
register_field("repeats", low=0.0, unit="actions", origin="counter of REPEAT actions")
register_field("greedy_reward", origin="the reward of the prompt's greedy rollout")
register_field(
    "reference", low=0.0, high=1.0, origin="the sampler's draw: 1 on the rollout compared with"
)
register_field("values", axes="T", origin="a critic: the value of the prefix before the token")
register_field(
    "sampling_logprobs",
    axes="T",
    high=0.0,
    unit="nats",
    origin="the inference engine that sampled the tokens",
)
register_field(
    "credit_logit",
    axes="T",
    unit="logit",
    origin="a token reward model trained on outcomes (mean logit against the outcome)",
)
register_field(
    "target_values",
    axes="T",
    unit="reward",
    origin="logsumexp of the target network's logits at each token's position",
)
register_field(
    "helpful",
    axes="T",
    origin="toyrl.models.captions: a judgement of each step on its last token, 0 elsewhere",
)
register_field(
    "caption_count",
    axes="T",
    low=0.0,
    unit="repeats",
    origin="a counter: how often the step that ends here has come up in the text so far",
)
register_field(
    "visits",
    low=0.0,
    unit="visits",
    origin="toyrl.models.novelty.Visits: how often this answer was given to this prompt before",
)
register_field(
    "novelty", low=0.0, origin="toyrl.models.novelty: a model's bonus for what it has not seen"
)
