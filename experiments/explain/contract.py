"""Section 1: can the reward be called, and does it answer as a trainer needs it to?"""

from toyrl.experiments.explain.entry import Explained as E

ENTRIES = (
    E(
        "contract/learned-score",
        "The learned scorer (--conciseness) was asked for texts of known redundancy that it had "
        "not seen, right and wrong, and its ranks held against the true ones.",
        "A score that ranks otherwise than conciseness pays for something else, and training finds "
        "it.",
        "Fit it to more texts or other features; these texts are toyrl's own, so look at its "
        "scores of your rollouts too.",
        "a model of length alone calls long necessary work redundant",
    ),
    E(
        "contract/learned-noise",
        "The variance of the reward among right and among wrong texts, under true scores and under "
        "the learned ones.",
        "What the errors add is noise in every gradient; a score that hardly varies has little "
        "noise and says nothing.",
        "Compare both numbers; theory/length.md has what an error adds.",
    ),
    E(
        "contract/learned-sign",
        "How far right texts are paid above wrong ones, also if all errors favoured wrong answers "
        "by as much as 95 % of them are off at most.",
        "Beside the outcome an error on wrong answers is paid; through it (crf) it is not.",
        "Pay the score to right answers only, or lower its weight.",
        "outcome() beside three times a score that is off by 0.4",
    ),
    E(
        "contract/learned-unused",
        "A learned scorer was given, and no term of the reward reads a conciseness score.",
        "Nothing that is said here is about that scorer.",
        "Judge crf() or conciseness_additive(), or leave the option out.",
    ),
    E(
        "contract/task",
        "Which task's texts the reward was judged on, and what in its signature, source or data "
        "columns says so.",
        "A reward for tool calls, SQL or multiple choice pays nothing on arithmetic texts: nothing "
        "could be said of it there.",
        "Say the task where it was found wrongly: --task choice, tools, sql, arithmetic, or one of "
        "your own, file.py:NAME (docs/tasks.md).",
        "a parameter `choices` says multiple choice",
    ),
    E(
        "contract/usable",
        "The reward could not be loaded or called at all.",
        "Nothing else can be judged, so the run ends here with exit code 2.",
        "Read the one sentence: it names the file, the function and what is missing.",
    ),
    E(
        "contract/signature",
        "How the function is called: its form (TRL, verl, OpenRLHF, ...) was found from its "
        "parameters' names.",
        "A reward that is called in another form than in training gets other arguments.",
        "If the form is wrong, name the function with its parameters as your trainer passes them, "
        "or give --text-parameter.",
        "def reward(completions, answer, **kwargs) is TRL's, def compute_score(data_source, "
        "solution_str, ground_truth, extra_info) verl's",
    ),
    E(
        "contract/trainer-call",
        "The function was called once with all the arguments that the trainer passes.",
        "A function without **kwargs fails on the first batch of a real run, hours after it was "
        "started.",
        "Take **kwargs, or the argument that the message names.",
    ),
    E(
        "contract/values",
        "Ordinary texts were graded: every one has to get a finite number, or None.",
        "An exception ends the run, NaN spreads through a whole group's advantages.",
        "Return a number, 0 for instance, for texts that the reward can't read.",
    ),
    E(
        "contract/deterministic",
        "The same texts were graded twice.",
        "A reward that differs between equal calls is noise: it costs signal and can't be cached.",
        "Seed what is random from the text, or average several draws.",
    ),
    E(
        "contract/random",
        "Its values are noise: they have nothing to do with the text.",
        "Training on noise moves the policy nowhere on average, and anywhere in a single run.",
        "Make the value depend on the completion.",
    ),
    E(
        "contract/bonus",
        "Terms that pay for exploring (count_bonus, rdd, rnd, novelty, oni) were looked at where "
        "their schedules end.",
        "What was seen before is a property of the run, so such a bonus is no difference of "
        "potentials: while it is paid another answer may be best. One that ends at 0 leaves the "
        "optimum alone.",
        "Anneal its weight to 0; the counterexample is a base reward for which it misleads.",
        "outcome() + count_bonus(weight=linear(0.1, 0, 500)) ends at 0",
    ),
    E(
        "contract/history",
        "Texts were graded again after other texts.",
        "A reward that remembers pays the same completion differently, depending on what other "
        "workers graded before.",
        "Keep no state between calls; if a schedule is meant, make it depend on the step.",
    ),
    E(
        "contract/batch",
        "Texts were graded alone and in batches with others.",
        "A reward that reads its siblings is graded in whole groups here; in a trainer one call "
        "may hold several prompts, or a part of a group.",
        "Score every completion by itself, or group by prompt inside the function.",
        "the shortest right answer of the batch is paid a bonus",
    ),
    E(
        "contract/place",
        "The order of texts in a call was changed.",
        "A value that depends on the place in the batch pays luck.",
        "Pair every text with its own row of every column.",
    ),
    E(
        "contract/inputs",
        "The function changed the lists that it was given.",
        "Trainers hand the same lists to every reward function: the next one reads changed texts.",
        "Work on a copy.",
    ),
    E(
        "contract/places",
        "The function was called from a worker thread and from another process.",
        "Trainers call rewards from there, and what works in the main thread may not: time limits "
        "by signal.alarm, for one.",
        "Set time limits with a process of your own, or leave them to the trainer.",
    ),
    E(
        "contract/thread",
        "It answers differently, or fails, in a worker thread.",
        "Asynchronous trainers grade in threads: there every completion would get this value.",
        "Use no signals and no thread-local state.",
    ),
    E(
        "contract/process",
        "It answers differently, or fails, in another process.",
        "Trainers on several devices grade in several processes.",
        "Load what it needs inside the function or module, not from the running session.",
    ),
    E(
        "contract/output",
        "In which form it returns values: a list, one number, a tuple, a dict with a score.",
        "The trainer has to expect the same form.",
        "Nothing, where it is your trainer's form.",
    ),
    E(
        "contract/edge-*",
        "An odd text was graded in a call of its own: empty, cut off, huge, or not ASCII.",
        "Policies write such texts in training, above all when something goes wrong.",
        "Return a number for them.",
    ),
    E(
        "contract/hostile",
        "Completions that hang or blow up a grader were tried: towers of powers, deep nesting, "
        "runs that make patterns backtrack, megabytes.",
        "One such completion stops a run of a thousand GPUs.",
        "Never evaluate what a completion says; bound its length, numbers and patterns.",
    ),
    E(
        "contract/hostile-raised",
        "Some hostile completions end in an exception or in no number.",
        "A trainer stops at the first.",
        "Catch what a completion makes the reader raise, and return a number for it.",
    ),
    E(
        "contract/hostile-*",
        "One kind of hostile completion hangs, crashes or fills memory; its name says which.",
        "Sampled once in a million rollouts, it stops the run.",
        "Never evaluate what a completion says; give each grading a process with a time limit.",
        "eval('9**9**9')",
    ),
    E(
        "contract/dialect",
        "In which form of answer the reward was judged (boxed, #### N, <answer> tags, ...), and by "
        "what evidence that form was chosen.",
        "A reward judged in a form that it doesn't read seems constant.",
        "If your model writes another form, show it with --rollouts or --data.",
    ),
    E(
        "contract/format",
        "No form of answer was found in which right texts are paid more than wrong ones.",
        "What follows would be about texts that the reward can't read.",
        "Give a few of your own completions with --rollouts, or rows with --data.",
    ),
    E(
        "contract/gold",
        "Whether the reward reads the gold answer: golds were exchanged between prompts.",
        "A reward that never looks at the gold answer can't pay for being right.",
        "If it should, check the column's name and type; if not, add an outcome reward beside it.",
    ),
    E(
        "contract/gold-form",
        "In which notation the gold answer was handed over (18, $18$, \\boxed{18}).",
        "A comparison of strings fails on the other notation, in silence.",
        "If your data has another one, give it with --data.",
    ),
    E(
        "contract/gold-column",
        "The function asks for a column that your data doesn't have under that name.",
        "In training that is an error, or a default value on every row.",
        "Rename the column, or the parameter.",
        "your data has `solution`, the function asks for `solutions`",
    ),
    E(
        "contract/gold-type",
        "What would happen if the gold answer were of another type (int, float, list).",
        "A data set that holds numbers where the reward compares strings pays nothing.",
        "Compare by value, or give your data with --data so that its type is used.",
    ),
    E(
        "contract/gold-read",
        "Your data's gold answers are in a form that the reward doesn't read.",
        "Right answers go unpaid.",
        "Read the form of your data.",
    ),
    E(
        "contract/gold-wish",
        "The source seems to want a gold answer of another form than text.",
        "Judged on text, the reward looks constant.",
        "Give a few rows with --data.",
    ),
    E(
        "contract/data",
        "Something about the rows given with --data that keeps some from being used.",
        "Fewer rows, less evidence.",
        "Mend the rows that the message names.",
    ),
    E(
        "contract/unscorable",
        "Texts for which it returns None or nothing.",
        "Trainers leave them out of the group: a policy may learn to be unscorable where that "
        "pays better than being wrong.",
        "Return the value of a wrong answer.",
    ),
    E(
        "contract/varies",
        "Whether its values differ at all on the texts tried.",
        "A constant reward gives no advantage and teaches nothing.",
        "Check the form of answers and the gold column; give your own rows with --data.",
    ),
    E(
        "contract/scale",
        "How large its values are.",
        "With division by a group's standard deviation the scale cancels; without it the learning "
        "rate has to follow it, and beside other terms it decides who is heard.",
        "Keep values in about [-1, 1], or weigh terms by their spread.",
    ),
    E(
        "contract/tokens",
        "The reward is paid at tokens or steps, not once a completion.",
        "Trainers that take one number a completion get the sum.",
        "Export to a trainer that carries it, or read what export says is lost.",
    ),
    E(
        "contract/assumed-*",
        "The reward reads a field (a judge's score, step scores, votes, ...) that the toy worlds "
        "don't have by themselves; this says how it was supplied.",
        "The answer is about that assumption, with its numbers.",
        "Give the field in your own rollouts, or another latent by option.",
    ),
    E(
        "contract/note",
        "Something that was assumed while the reward was loaded.",
        "If it isn't so in your run, the answer is about another reward.",
        "Read it once.",
    ),
    E(
        "judge/noise",
        "The labels of this run come from a judge whose errors were measured (--judge-noise).",
        "A false positive pays what is wrong, a false negative withholds what is right. What is "
        "left of the signal is 1 less both rates; where an error is more frequent on long or "
        "unmarked answers than on others, training climbs that slope.",
        "Look at `toyrl audit-judge`: it says what the judge likes, and how accurate it would have "
        "to be. A stricter threshold, both orders of each pair, a second judge make errors fewer.",
    ),
)
