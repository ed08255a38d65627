def always(completions, **kwargs):
    raise RuntimeError("the judge is down")


def on_short(completions, **kwargs):
    return [1.0 / (len(c) - 5) for c in completions]


def single(text, answer):
    return float(text.split("####")[1] == answer)


def unprintable(text):
    class Odd(Exception):
        def __str__(self):
            raise ValueError

    raise Odd
