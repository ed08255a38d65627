"""As AReaL calls: texts and token ids of one completion, then the row's columns."""


def gsm8k_reward_fn(prompt, completions, prompt_ids, completion_ids, answer, **kwargs):
    said = completions.rpartition("####")[2].strip()
    return int(said == answer.rpartition("####")[2].strip() and len(completion_ids) > 0)
