"""A token classifier of random weights over characters, as a folder of transformers."""

from __future__ import annotations

from pathlib import Path


def saved(folder: Path, *, labels: int, positions: int = 64) -> Path:
    """Write model and tokenizer: a token a character of digits, a-z, + = - and \n."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForTokenClassification, PreTrainedTokenizerFast

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
    LlamaForTokenClassification(config).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", unk_token="<unk>")
    tokenizer.save_pretrained(folder)
    return folder
