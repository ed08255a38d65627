"""Section 2: wrong texts that are paid, right texts that aren't."""

from toyrl.experiments.explain.entry import Explained as E

ENTRIES = (
    E(
        "hacks/none",
        "No kind of edited wrong completion is paid like a right one.",
        "The exploits tried are known ones: a policy may still find another.",
        "Nothing.",
    ),
    E(
        "hacks/control",
        "Honest right rollouts were graded again, unchanged.",
        "If they move, the differences that hacks are found by mean nothing.",
        "Make the reward deterministic and independent of other completions.",
    ),
    E(
        "hacks/ungated",
        "Ordinary wrong rollouts are paid as right ones are.",
        "Alone, this reward doesn't pay for being right; the policy drifts to whatever else is "
        "paid.",
        "Multiply it by correctness, or use it only beside an outcome reward.",
    ),
    E(
        "hacks/near",
        "Wrong completions get more than half of what being right is worth.",
        "Cheaper than solving the task, they are a way up.",
        "Lower what they are paid, or pay it to right answers only.",
    ),
    E(
        "hacks/half-for-free",
        "A fixed edit, which takes no knowledge of the answer, earns more than half of what being "
        "right is worth.",
        "It adds to right and wrong alike, and is surer than an answer: training takes it first. "
        "Alone it makes a reward RISKY, not UNSAFE.",
        "Pay it to right answers only, or a tenth of it.",
        "score per matching word",
    ),
    E(
        "hacks/last-number",
        "The format has no mark: the last number is the answer, wherever it stands.",
        "Gold that is denied or one of several is paid too; no text that ends in gold is held "
        "against it here.",
        "Ask for a mark, such as a box, and read that alone.",
    ),
    E(
        "hacks/unscorable",
        "No honest rollout could be scored.",
        "There is nothing to hold exploits against.",
        "Return a number for every completion.",
    ),
    E(
        "hacks/dies",
        "A wrong completion of the task's list made the reward hang, or ended the process in which "
        "it runs.",
        "A reward that runs what it is given runs `while True` and `os._exit(0)` too; one such "
        "text stops or blocks a worker, and with it the run. It is not paid, so the reward is "
        "RISKY by it, not UNSAFE.",
        "Run code in a process of its own with a time limit, and count tests by a result that it "
        "can't write or end.",
        "exec(code, {}) in the trainer's own process",
    ),
    E(
        "hacks/raises",
        "The reward raises on a wrong completion of the task's list, or gives no number for it.",
        "A trainer doesn't catch that: one such text ends the run.",
        "Catch what a completion makes your reader or your process raise, and return a number.",
    ),
    E(
        "hacks/dies-untried",
        "Completions on which a reward may hang or end were not tried: it runs in toyrl's own "
        "process, or it had died on three of them.",
        "What they would be paid is not known.",
        "Name the reward as file.py:NAME; mend what it dies on, then judge it again.",
    ),
    E(
        "hacks/task-notation",
        "Right answers in other notations of the task were graded: small letters, JSON with other "
        "white space, a query with a semicolon.",
        "A policy that writes so gets no signal for being right; a prompt may well demand one "
        "notation, so this is said and no more.",
        "Parse before you compare, or ask for one notation in the prompt.",
    ),
    E(
        "hacks/task-*",
        "A wrong completion of the task's own list is paid like a right one: the finding says what "
        "it is and why it is wrong.",
        "A policy finds what is paid and easier than the task; what takes no knowledge of the "
        "answer it finds first. A warning is what usual graders pay and a policy can't reach "
        "without solving the task.",
        "Do what the finding says: compare the whole marked answer, parsed, with the gold one.",
        "float(gold in marked) pays 'A, B, C, D'",
    ),
    E(
        "hacks/length",
        "The value follows length, among answers that are equally right.",
        "The policy learns the length first: it is the easiest thing to move. Alone it makes a "
        "reward RISKY, not UNSAFE: no wrong answer is paid by it.",
        "Divide by length, cap the term, or pay it to right answers only.",
        "score per matching word",
    ),
    E(
        "hacks/step-copies",
        "Copies of a text's own best-paid step were put behind it (1 to 16), and the steps scored "
        "again: is the text paid more?",
        "Repeating a good step takes no skill, so a policy finds it early; runs on summed step "
        "scores grew longer and lost accuracy so. It fails where wrong texts reach the median "
        "right one.",
        "Pay the return that the finding names: the lowest step, the product, Clip-Delta.",
        "outcome() + step_sum()",
    ),
    E(
        "hacks/step-splits",
        "Each step of a text but its last was cut in two, without a word more: is it paid more?",
        "What a step is is up to the policy, which writes the line breaks.",
        "Pay the mean, the lowest or the first step rather than their sum, or score fixed lengths.",
    ),
    E(
        "hacks/step-merges",
        "The steps of a text were joined in pairs, its last left alone: is it paid more?",
        "Fewer, longer steps hide an error from a scorer, and under a product cost less.",
        "Pay a return that doesn't count steps; score what a step holds, however long it is.",
    ),
    E(
        "hacks/step-empties",
        "Steps that say nothing were put before the last one: is the text paid more?",
        "They are the cheapest way to more steps.",
        "Let the scorer give them 0 under a sum, or pay a return that they can't raise.",
    ),
    E(
        "hacks/step-order",
        "The steps of a text but its last were put in the opposite order: is it paid more?",
        "A scorer that sees no order can't see reasoning; the very same pay says that it doesn't.",
        "Score each step given the ones before it.",
    ),
    E(
        "steps/return",
        "Which returns of step scores copies of a step raise, and how often each pays a right text "
        "above a wrong one.",
        "The scores alone are no reward: sum, mean, lowest, Clip and Delta of one scorer train "
        "different policies.",
        "Take one that isn't raised and still tells right from wrong.",
    ),
    E(
        "steps/scores",
        "The range of the scores, and whether there were any.",
        "Clip's threshold and the product of scores are made for chances in [0, 1].",
        "Map other scores there, by a sigmoid say, or pay them by their sum or their lowest.",
    ),
    E(
        "steps/missing",
        "Texts with a step that has no score, NaN or None.",
        "Their rollouts can't be scored: a missing score is no 0, and may reach no neighbour "
        "through a difference.",
        "Score every step; cut the text as the scorer cuts it (--steps).",
    ),
    E(
        "hacks/found-*",
        "A search put small edits together until a wrong rollout was paid like a right one, on "
        "most of the problems that it was tried on; the text shown is the shortest that still is.",
        "It is a hole that no list holds, and a fixed edit away: a policy that meets it once is "
        "paid for staying there.",
        "Mend what your function does with this text, then judge it again: a mended hole may hide "
        "the next.",
        "'cannot be determined' paid 1, for some questions of the data set had no answer",
    ),
    E(
        "hacks/search",
        "Whether chains of small edits, written with the texts of the reward's own source, make "
        "wrong rollouts paid like right ones.",
        "Nothing found is no proof: as many texts were tried as the finding says (--search N).",
        "Nothing; give more texts to a reward that is worth it. A task of your own that isn't "
        "searched needs holds(problem, text).",
    ),
    E(
        "hacks/frontier",
        "The policies that this reward prefers at each distance from the base, found exactly in "
        "the chain token by token, and what becomes of accuracy along them.",
        "Unlike the price, nobody chooses to be right here: a policy can only choose what it "
        "writes.",
        "See what the outcome that gains most is paid for, and pay it to right answers only.",
    ),
    E(
        "hacks/price",
        "Policies tilted towards this reward: how many nats from the base does it take until "
        "accuracy has fallen by 0.1 or by half?",
        "A cheap price means that a run gets there.",
        "Mend the exploit that is named first.",
    ),
    E(
        "hacks/causes",
        "What the exploits that are paid have in common: length, format, place, phrases.",
        "One cause may show as twenty findings.",
        "Mend the cause, not the text that shows it.",
    ),
    E(
        "hacks/target-alone",
        "For tasks whose answer is an expression: the target itself is paid.",
        "The target stands in the prompt; copying it is no solution.",
        "Check the numbers that are used, each once.",
    ),
    E(
        "hacks/other-numbers",
        "For tasks whose answer is an expression: one of other numbers is paid.",
        "Any target can be written as a sum of two numbers.",
        "Check the numbers that are used, each once.",
    ),
    E(
        "hacks/notation",
        "It compares text: right answers in other notations go unpaid.",
        "The policy is taught a notation, and prompts whose gold is written otherwise teach "
        "nothing.",
        "Compare by value, or ask for one notation in the prompt.",
        "42.0 for 42",
    ),
    E(
        "hacks/unpaid-spacing",
        "Right answers go unpaid with spaces or line breaks around them.",
        "A format is learnt by luck; until then right answers are punished.",
        "Strip the answer before you compare it, and let the pattern cross lines.",
    ),
    E(
        "hacks/unpaid-*",
        "Right answers in one notation go unpaid: decimals, signs, words, LaTeX, fractions, "
        "units, digits of other scripts, thousands.",
        "They are wrong only for the reward.",
        "Compare by value, or ask for one notation in the prompt.",
    ),
    E(
        "hacks/text-behind",
        "Right answers with text behind them go unpaid, or wrong ones with it are paid.",
        "What comes after the answer decides, which a policy moves easily.",
        "Read the marked answer, wherever it stands; say what is read if there are several.",
    ),
)

OF_MUTANT = (
    "It needs no understanding of the task: a policy that stumbles on it is paid for it, and "
    "learns to do it everywhere."
)
FAMILIES = {
    "leak": "the gold answer somewhere in the text",
    "hedge": "several answers at once",
    "shell": "the form without the content",
    "inflate": "more text",
    "short": "less text",
    "style": "how it is written",
    "flattery": "words about its own quality",
    "value": "an answer that is nearly right",
    "notation": "a right answer in another notation",
    "place": "where the answer stands",
    "control": "honest rollouts",
}
"""What the exploits of a family have in common."""
