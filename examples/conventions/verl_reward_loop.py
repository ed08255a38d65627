"""As a manager of verl's reward loop: a coroutine, called with one row; DAPO's overlong charge."""

import asyncio


class LoopManager:
    def __init__(self, config, tokenizer, compute_score=None, reward_router_address=None):
        self.tokenizer = tokenizer
        given = config.reward_model.get("reward_kwargs", {})
        self.limit, self.cache = given.get("max_resp_len", 1000), given.get("cache", 200)

    async def run_single(self, data):
        item = data[0]
        size = item.batch["responses"].shape[-1]
        n = int(item.batch["attention_mask"][-size:].sum())
        decode = self.tokenizer.decode
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(None, lambda: decode(item.batch["responses"][:n]))
        gold = item.non_tensor_batch["reward_model"]["ground_truth"]
        right = text.rpartition("#### ")[2].strip() == gold
        charge = min((self.limit - self.cache - n) / self.cache, 0.0)
        return {"reward_score": right + charge, "reward_extra_info": {"acc": right}}
