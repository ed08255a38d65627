"""A random one-layer language model and a character tokenizer, built without any download."""

from __future__ import annotations

from typing import Any

ALPHABET = "0123456789+-*/=.,?# <>abcdefghijklmnopqrstuvwxyz"


def tokenizer() -> Any:
    """Characters as tokens, with <pad>, <eos> and <unk>."""
    from toyrl.bridge.models.tiny import character_tokenizer

    return character_tokenizer(ALPHABET)


def model(seed: int = 0) -> Any:
    """A Llama of about 20,000 parameters with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    size = 3 + len(ALPHABET)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=128,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def data(n: int = 8, **columns: list) -> Any:
    """Prompts `1+2=` with gold answers, and further columns."""
    from datasets import Dataset

    rows = {
        "prompt": [f"{i}+{i + 1}=" for i in range(n)],
        "answer": [str(2 * i + 1) for i in range(n)],
    }
    return Dataset.from_dict({**rows, **columns})


def config(folder: Any, **changes: Any) -> Any:
    """A GRPOConfig for two groups of four completions of at most 12 tokens, on the CPU."""
    from trl.trainer.grpo_config import GRPOConfig

    options = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": 12,
        "max_steps": 1,
        "learning_rate": 1e-3,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "logging_steps": 1,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "seed": 7,
    }
    return GRPOConfig(**{**options, **changes})
