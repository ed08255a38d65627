"""As a reward manager of verl: token ids in, a tensor with each score at its last token out."""

import torch


class Manager:
    def __init__(self, tokenizer, num_examine, compute_score=None, reward_fn_key="data_source"):
        self.tokenizer, self.num_examine, self.key = tokenizer, num_examine, reward_fn_key

    def __call__(self, data, return_dict=False):
        scores = torch.zeros_like(data.batch["responses"], dtype=torch.float32)
        for i in range(len(data)):
            item = data[i]
            start = item.batch["prompts"].shape[-1]
            n = int(item.batch["attention_mask"][start:].sum())
            text = self.tokenizer.decode(item.batch["responses"][:n], skip_special_tokens=True)
            gold = item.non_tensor_batch["reward_model"]["ground_truth"]
            scores[i, n - 1] = float(text.rpartition("#### ")[2].strip() == gold)
        return {"reward_tensor": scores} if return_dict else scores
