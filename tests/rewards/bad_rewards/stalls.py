import time


def sleeps(text):
    if text == "fast":
        return 1.0
    time.sleep(600)
    return 0.0


def spins(completions, **kwargs):
    while True:
        pass
