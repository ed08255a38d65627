"""A classifier of tokens or of whole texts with random weights over characters, as a folder."""

from __future__ import annotations

from pathlib import Path


def saved(folder: Path, *, labels: int, positions: int = 64, whole: bool = False) -> Path:
    """Write model and tokenizer: a token a character of digits, a-z, + = - and \n.

    whole : it classifies texts, not tokens
    """
    import torch
    import transformers
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, PreTrainedTokenizerFast

    letters = ["<pad>", "<unk>", *"0123456789+=- \nabcdefghijklmnopqrstuvwxyz"]
    made = Tokenizer(models.WordLevel({c: i for i, c in enumerate(letters)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    torch.manual_seed(labels)
    config = LlamaConfig(
        vocab_size=len(letters),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=positions,
        pad_token_id=0,
    )
    config.num_labels = labels
    kind = "Sequence" if whole else "Token"
    getattr(transformers, f"LlamaFor{kind}Classification")(config).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", unk_token="<unk>")
    tokenizer.save_pretrained(folder)
    return folder
