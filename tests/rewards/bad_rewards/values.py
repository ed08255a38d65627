import math
from fractions import Fraction


def nan(completions, **kwargs):
    return [math.nan for _ in completions]


def inf(completions, **kwargs):
    return [0.0 if len(c) < 4 else math.inf for c in completions]


def huge_int(text):
    return 10**400


def text(completions, **kwargs):
    return ["1.0" for _ in completions]


def one_text(completions, **kwargs):
    return "1.0"


def none_single(text):
    return 1.0 if text == "fast" else None


def all_none(completions, **kwargs):
    return [None for _ in completions]


def some_none(completions, **kwargs):
    return [None if "a" in c else 1.0 for c in completions]


def complex_number(text):
    return 1j


def no_score(data_source, solution_str, ground_truth, extra_info=None):
    return {"acc": 1.0}


def fractions(completions, **kwargs):
    return [Fraction(1, 4) for _ in completions]


class Broken:
    def __len__(self):
        raise OSError


def unreadable(completions, **kwargs):
    return Broken()


def numpy_array(completions, **kwargs):
    import numpy as np

    return np.array([len(c) for c in completions], dtype=np.float32)


def tensors(completions, **kwargs):
    import torch

    return [torch.tensor(0.25, requires_grad=True) for _ in completions]


def tensor_pairs(completions, **kwargs):
    import torch

    return [torch.tensor([0.25, 0.5]) for _ in completions]
