"""Section 0: what your own rollouts show."""

from toyrl.experiments.explain.entry import Explained as E

ENTRIES = (
    E(
        "own/alike",
        "The reward pays all of your rollouts the same, right and wrong ones.",
        "It gives no signal on your task: usually the format or the gold column doesn't match.",
        "Hold the reward's format and gold column against one row of the log, by hand.",
    ),
    E(
        "own/one-kind",
        "All of your rollouts are right, or all are wrong.",
        "Then they can't show whether the reward tells the two apart.",
        "Log rollouts of both kinds, of harder or easier prompts.",
    ),
    E(
        "own/no-signal",
        "Within every prompt all rollouts are paid alike, though prompts differ.",
        "GRPO compares rollouts of one prompt: no group teaches anything.",
        "Hold the reward against one group of the log; sample more rollouts a prompt.",
    ),
    E(
        "own/upside-down",
        "Wrong rollouts are paid above right ones of the same prompt, beyond chance.",
        "Training lowers accuracy from the first update on.",
        "Turn the comparison or the sign round, or lower the weight of what pays wrong rollouts.",
        "a bonus a word, on a task where wrong answers are longer",
    ),
    E(
        "own/order",
        "How often a right rollout is paid more than a wrong one of its prompt (0.5 is chance).",
        "This is the signal that the policy learns from.",
        "Near 0.5: find what else is paid; see section 2 and the terms.",
    ),
    E(
        "own/unscorable",
        "Rollouts of yours to which the reward gives no value.",
        "They teach nothing, and a policy may learn to be unscorable.",
        "Return the value of a wrong answer for them.",
    ),
    E(
        "own/truncated",
        "How many of your rollouts ran into the completion limit.",
        "A cut rollout has no answer: it is wrong whatever it thought, and its length is the "
        "limit's, not its own.",
        "Raise the limit, or leave truncated rollouts out of the loss.",
    ),
    E(
        "own/logged/*",
        "What the rewards or advantages that your log already holds show, and whether this reward "
        "gives the same values.",
        "A log of another reward than the one judged is evidence about both.",
        "Where they differ unexpectedly, compare the line that is named.",
    ),
    E(
        "own/lengths",
        "Mean length, success rates and limit that were taken from your log.",
        "The toy worlds are drawn like this base model.",
        "Override them by option if the log isn't like your run.",
    ),
    E(
        "own/limit",
        "The completion limit and your rollouts' lengths don't go well together, or the limit had "
        "to be guessed.",
        "Length rewards are about the room below the limit.",
        "Give --max-completion-length, or a trainer config.",
    ),
    E(
        "own/chain",
        "Lengths that the toy chain can't hold.",
        "Its worlds are then about shorter completions than yours.",
        "Trust sections 0 to 2 more than section 4.",
    ),
    E(
        "own/texts",
        "How many of your completions serve as base texts for the contract and the hacks.",
        "Exploits are then tried in your model's own format.",
        "Few: log more rollouts of short completions.",
    ),
    E(
        "own/fields",
        "A field that the reward reads is missing in the log.",
        "It is supplied by an assumption instead.",
        "Add the column.",
    ),
    E(
        "own/note",
        "Something about how the log was read.",
        "Rows left out are no evidence.",
        "Read it once; --columns names columns.",
    ),
    E(
        "own/accuracy-drift",
        "How one update on your rollouts would move accuracy, under your estimator.",
        "It is the exact first-order effect on a policy that can move each rollout by itself.",
        "Negative: lower the weight of what pays wrong rollouts, or gate it on correctness.",
    ),
    E(
        "own/vote",
        "How often the majority of a group of your rollouts is wrong, over all subsets of each "
        "prompt's rollouts, and how the vote as the reward moves accuracy.",
        "A vote teaches what the base says most often: where that is wrong, training makes it "
        "wrong for good. Groups with one answer only teach nothing.",
        "Warned where 0 lies in the drift's interval: log more prompts. Failed where it is below "
        "0: pay correctness, or take prompts that the base mostly gets right.",
        "majority() on prompts whose most common answer is wrong",
    ),
    E(
        "own/agreement",
        "How many of a prompt's wrong answers are its common one, from pairs of them.",
        "Only wrong answers that agree outvote the right one; the forecast's worlds agree as much.",
        "Nothing: it says what the forecast was told.",
    ),
    E(
        "own/length-drift",
        "How one update on your rollouts would move the mean length.",
        "Length is what moves first in most runs.",
        "Compare it with what you want; section 4 says where it ends.",
    ),
    E(
        "own/zero-signal",
        "Share of your groups in which all advantages are 0.",
        "They cost sampling and teach nothing.",
        "More rollouts a prompt, or prompts nearer to half right.",
    ),
    E(
        "own/tilted-price",
        "Your rollouts were reweighted towards what the reward pays: at how many nats from the "
        "base does accuracy fall?",
        "Runs end 2 to 40 nats a rollout from their base. A log of G rollouts a prompt can show "
        "at most log G.",
        "The table shows which of your wrong rollouts the reward prefers.",
    ),
)
