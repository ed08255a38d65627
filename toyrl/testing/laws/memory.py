"""Laws of rewards that remember prompts: what a visit may add, and what may not count.

Each is a function of a shaper and rollouts (B, G); it returns nothing where the law holds and one
sentence where it does not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.rollouts.memory import Store
from toyrl.shapers.base import Shaper
from toyrl.testing import arrays


def visits_commute(shaper: Shaper, r: Rollouts) -> str | None:
    """What a visit adds to memory doesn't depend on the visits before it."""
    first = shaper.apply(r).memory
    for start in (1.0, 3.0):
        seen = {s.name: np.full_like(r.correct[:, :1], start) for s in shaper.all_memory()}
        again = shaper.apply(r, seen).memory
        if any(not np.array_equal(first[k], again[k], equal_nan=True) for k in first):
            return f"a visit adds something else where memory held {start:g}"
    return None


def wrong_answers_leave_no_memory(shaper: Shaper, r: Rollouts) -> str | None:
    """Without its wrong rollouts a visit adds the same to memory."""
    without = replace(r, weight=np.where(r.correct == 1, r.w, 0.0))
    first, again = shaper.apply(r).memory, shaper.apply(without).memory
    for name in first:
        if not np.array_equal(first[name], again[name], equal_nan=True):
            return f"wrong rollouts change what is remembered as {name!r}"
    return None


def merges_in_any_order(shaper: Shaper) -> bool:
    """Whether every slot of its memory is merged by an operation that commutes."""
    return all(slot.op != "replace" for slot in shaper.all_memory())


def memory_order(shaper: Shaper, r: Rollouts) -> str | None:
    """Batches with prompts repeated, one by one, and turned round leave the same memory.

    Sums of floats depend on their order by rounding, which is let pass.
    """
    names = ["a", "b", "a"][: r.shape[0]]
    at_once, turned, single = (Store.of(shaper) for _ in range(3))
    _visit(at_once, shaper, r, names)
    _visit(turned, shaper, arrays.prompts(r, range(len(names))[::-1]), names[::-1])
    for i, name in enumerate(names):
        _visit(single, shaper, arrays.prompts(r, [i]), [name])
    for how, other in (("turned round", turned), ("one by one", single)):
        for slot, want in at_once.gather(names).items():
            given, room = other.gather(names)[slot], arrays.TOLERANCE
            if not np.allclose(given, want, rtol=room, atol=room, equal_nan=True):
                return f"visits {how} leave {slot!r} other than at once"
    return None


def memory_kept(shaper: Shaper, r: Rollouts) -> str | None:
    """A store read back from its text pays the same; unseen prompts start anew; few are kept.

    What prompts share, an unseen one finds as the others left it.
    """
    names = [str(i) for i in range(r.shape[0])]
    store = Store.of(shaper, capacity=2)
    _visit(store, shaper, r, names)
    if len(store.rows) > 2:
        return f"a store for 2 prompts keeps {len(store.rows)}"
    known, again = [*names[-2:]], Store.from_json(store.to_json())
    for slot, value in store.gather(known).items():
        if not np.array_equal(value, again.gather(known)[slot], equal_nan=True):
            return f"{slot!r} is another after it was written and read"
    unseen = again.gather(["never seen"] * r.shape[0])
    shared = {s.name for s in shaper.all_memory() if s.shared}
    for slot in shared:
        if not np.array_equal(unseen[slot], again.gather(known[-1:] * r.shape[0])[slot]):
            return f"{slot!r} is shared, but an unseen prompt finds another number there"
    fresh = shaper.apply(r, unseen).parts
    begun = {slot: unseen[slot] for slot in shared}
    gap = arrays.part_difference(shaper.apply(r, begun).parts, fresh)
    return None if gap <= 1 else "a prompt that was never seen is not paid as one without memory"


def _visit(store: Store, shaper: Shaper, r: Rollouts, names: list[str]) -> None:
    store.merge(names, shaper.apply(r, store.gather(names)))
