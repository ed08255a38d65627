"""A causal language model and its tokenizer, looked at before anything is made of them.

transformers loads more than can be used: an encoder as if it wrote from left to right, an output
layer whose weights the folder lacks with random numbers, a tokenizer that knows more tokens than
the model. Each is refused here, in one sentence.
"""

from __future__ import annotations

from typing import Any

from toyrl.messages import PATH, shortened

WAY_OUT = "name tiny, smollm2, a folder, or the id of a causal model on the hub"
PROBE = 4  # tokens that the model is tried on


class ModelError(ValueError):
    """The model can't be loaded or used; one message with the way out."""


def load(model: str, *, trust_remote_code: bool = False, dtype: Any = None) -> tuple[Any, Any]:
    """(network, tokenizer), on the GPU where there is one; a missing pad token is the end token.

    model : folder or hub id; dtype : of the weights, None: as transformers chooses

    Raises ModelError for a model that can't be loaded, that isn't causal, that lacks weights or
    has some that are no finite numbers, and for a tokenizer without an end token or beyond the
    model's vocabulary.
    """
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        network, tokenizer, lacking = _loaded(model, trust_remote_code, dtype)
    except ModelError:
        raise
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and others
        raise ModelError(_refusal(model, error)) from error
    problem = f"the weights of {lacking[0]} are missing" if lacking else ""
    problem = problem or _of_tokenizer(network, tokenizer)
    if not problem:
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        network = network.to("cuda" if torch.cuda.is_available() else "cpu")
        problem = _of_network(network)
    if problem:
        msg = f"{_named(model)} can't be used: {problem}; {WAY_OUT}"
        raise ModelError(msg)
    return network, tokenizer


def _loaded(model: str, trusted: bool, dtype: Any) -> tuple[Any, Any, list[str]]:
    """(network, tokenizer, names of weights that are missing)."""
    from transformers import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        AutoConfig,
        AutoModelForCausalLM,
        AutoTokenizer,
    )

    config = AutoConfig.from_pretrained(model, trust_remote_code=trusted)
    own_code = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    if not own_code and type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        msg = f"{_named(model)} is a {config.model_type} model, no causal language model; {WAY_OUT}"
        raise ModelError(msg)
    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=trusted)
    options = {} if dtype is None else {"dtype": dtype}
    found: Any = AutoModelForCausalLM.from_pretrained(
        model, trust_remote_code=trusted, output_loading_info=True, **options
    )
    network, told = found
    return network, tokenizer, sorted(told["missing_keys"])


def _of_tokenizer(network: Any, tokenizer: Any) -> str:
    """What is wrong with the tokenizer, or ""."""
    if tokenizer.eos_token is None:
        return "its tokenizer has no end token (eos_token), so that answers would never end"
    known, given = network.get_input_embeddings().weight.shape[0], len(tokenizer)
    if given > known:
        return f"its tokenizer has {given} tokens, the network knows {known}; they don't belong"
    return ""


def _of_network(network: Any) -> str:
    """What a few tokens show: scores that are no numbers, or that look ahead; "" if neither."""
    import torch

    most = network.get_input_embeddings().weight.shape[0]
    ids = torch.arange(PROBE, device=network.device).remainder(most).repeat(2, 1)
    ids[1, -1] = min(PROBE, most - 1)  # the rows differ in their last token alone
    was_training = network.training
    network.eval()
    with torch.no_grad():
        scores = network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.float()
    network.train(was_training)
    if not bool(torch.isfinite(scores).all()):
        return "its scores are not finite, as weights that are NaN or inf give"
    before = scores[:, :-1]
    slack = torch.finfo(network.dtype).eps ** 0.5 * float(before.abs().max())
    if float((before[0] - before[1]).abs().max()) > slack:
        return "what it says of a token depends on later ones, so it is not causal"
    return ""


def _refusal(model: str, error: Exception) -> str:
    first = str(error).strip().split("\n")[0].rstrip(";:. ")
    way_out = WAY_OUT
    if "trust_remote_code" in str(error):
        way_out = "the model comes with code of its own; --trust-remote-code runs it"
    elif "backend tokenizer" in first:
        first = "no tokenizer was found (such as tokenizer.json)"
    elif "deserializing header" in first:
        first = f"the file of weights is damaged ({first})"
    return f"{_named(model)} can't be loaded: {shortened(first, PATH, write=str)}; {way_out}"


def _named(model: str) -> str:
    return f"model={shortened(model, PATH)}"
