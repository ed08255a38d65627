"""Exact training that tests do, counted instead of timed: the same number on every machine.

One unit is one update of one run, about 3 microseconds. Half of the suite's time once went into
worlds that no assertion needed; a test that asks for more than its limit fails and says so.
"""

from __future__ import annotations

from typing import Any

QUICK, SLOW = 1_000_000, 3_000_000
"""Most updates of one test, set-up included: of those that `make quick` runs, of the others."""


class Training:
    """updates : made by all runs since the last `begin`"""

    updates = 0

    def begin(self) -> None:
        """Count from 0."""
        self.updates = 0

    def watch(self, exact: Any) -> None:
        """Count what `toyrl.dynamics.chain.exact` trains from now on."""
        run = exact._run

        def counted(*args: Any, **kwargs: Any) -> Any:
            done = run(*args, **kwargs)
            self.updates += int(done.updates.sum())
            return done

        exact._run = counted

    def excess(self, *, slow: bool) -> str:
        """What a test is told that trained more than it may; "" for the others."""
        most = SLOW if slow else QUICK
        if self.updates <= most:
            return ""
        more = "fewer worlds or updates" + ("" if slow else ", or mark it slow")
        return (
            f"this test trained for {self.updates:,} updates, but may for {most:,}: take {more}; "
            "share by a cached function what others need too (tests/work.py)"
        )


TRAINING = Training()
