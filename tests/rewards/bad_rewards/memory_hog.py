def reward(text):
    kept = []
    while True:
        kept.append(b"x" * 4_000_000)
