"""What several benchmarks print: the rate of a Hypothesis strategy, times beside ours."""

from __future__ import annotations

import time
from collections.abc import Mapping

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def rate(strategy: st.SearchStrategy, examples: int) -> float:
    """Examples a second of CPU time."""

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(strategy)
    def draw(_) -> None:
        pass

    start = time.process_time()
    draw()
    return examples / (time.process_time() - start)


def show(title: str, times: Mapping[str, float]) -> None:
    """Milliseconds by name, and each as a multiple of "ours"."""
    print(title)
    for name, ms in times.items():
        print(f"    {name:<30} {ms:10.3f} ms   {ms / times['ours']:8.2f} x ours")
