"""Steps of a trace, verified by the program that the prompt poses: 1 right, 0 from an error on."""

from toyrl.graders.traces import step_scores


def score(steps, prompt):
    """0.5 for a line that is no state, such as `#0 | fetch 7 5 0 | add -> 2 1 | goto #1`."""
    return step_scores(steps, prompt)
