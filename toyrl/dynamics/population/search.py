"""Novelty search, TAXONS, SERENE and STAX: one loop, whose parts are chosen.

A generation of exploring: two mutated offspring a parent, novelty against population, offspring and
archive, the most novel stay, five random offspring are stored for ever. With emitters every
individual that was paid starts one (`emitters`), and a schedule shares the evaluations between
exploring and exploiting. With a learned descriptor the code is fitted to what was seen, and all
stored descriptors are computed anew.

Formulas: docs/theory/population.md. Source: paper 24, code core/evolvers/ns.py, taxons.py,
serene.py, serene_taxons.py, core/searcher.py. Numbers: the toy's; the paper's are in the text.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np

from toyrl.dynamics.population.descriptors import Given
from toyrl.dynamics.population.emitters import Emitter, emitter_sigma, improvement, stagnates
from toyrl.dynamics.population.members import Archive, Members, World
from toyrl.dynamics.population.neighbours import fronts, novelty
from toyrl.dynamics.population.schedule import EXPLOIT, Alternate, Confidence, Exploration
from toyrl.ranges import Range, check_fields, one_of

Array = np.ndarray
SELECT = ("novelty", "surprise", "taxons", "reward", "random")
SCHEDULES = {"explore": Exploration, "alternate": Alternate, "confidence": Confidence}
_SOME, _WHOLE = Range("(0, inf)"), Range("[1, inf)", whole=True)


@dataclass(frozen=True)
class Search:
    """What a search does.

    select : who stays: the most novel, the most surprising, by "taxons" one of both at random in
        each generation, the best paid, or "random": genomes are drawn anew, uniformly
    schedule : "explore" (novelty search, TAXONS), "alternate" (SERENE), "confidence" (STAX)
    population, offspring : parents, and children of each; sigma, mutated : standard deviation and
        chance of a gene's mutation; the paper's 0.05 and 1 (TAXONS: 0.9)
    k, stored, archive : neighbours of (1), offspring stored a generation, and which: "random" as
        released or "best"
    limit, start : genes stay in [-limit, limit] and start uniformly in [-start, start]
    first, refit, renew : generations before surprise counts (TAXONS: 30) and between two fits of
        the code; whether stored descriptors are computed anew after a fit
    chunk, bootstrap, most : evaluations of a turn (the paper's 1000), generations in which a
        candidate is tried, and the most of an emitter at all
    climbers, share : members of an emitter; candidates are tried while more than this share of
        the turn is left
    must_improve : candidates without improvement are thrown away
    """

    select: Annotated[str, one_of(*SELECT)] = "novelty"
    schedule: Annotated[str, one_of(*SCHEDULES)] = "explore"
    population: Annotated[int, _WHOLE] = 25
    offspring: Annotated[int, _WHOLE] = 2
    sigma: Annotated[float, _SOME] = 0.5
    mutated: Annotated[float, Range("(0, 1]")] = 1.0
    k: Annotated[int, _WHOLE] = 15
    stored: Annotated[int, Range("[0, inf)", whole=True)] = 5
    archive: Annotated[str, one_of("random", "best")] = "random"
    limit: Annotated[float, _SOME] = 5.0
    start: Annotated[float, _SOME] = 1.0
    first: Annotated[int, Range("[0, inf)", whole=True)] = 0
    refit: Annotated[int, _WHOLE] = 30
    renew: bool = True
    chunk: Annotated[int, _WHOLE] = 250
    bootstrap: Annotated[int, _WHOLE] = 5
    most: Annotated[int, _WHOLE] = 20
    climbers: Annotated[int, _WHOLE] = 6
    share: Annotated[float, Range("[0, 1)")] = 1 / 3
    must_improve: bool = True

    def __post_init__(self) -> None:
        check_fields(self)

    def run(self, world: World, rng: Any, budget: int, descriptor: Any = None) -> Found:
        """Search with `budget` evaluations (the last generation may pass it by its own size).

        world : see `World`; rng : a NumPy generator; descriptor : None: what is observed itself

        Raises ValueError for a budget below 1.
        """
        if budget < 1:
            msg = f"budget={budget} must be 1 or more"
            raise ValueError(msg)
        state = _State(self, world, rng, descriptor or Given())
        schedule = SCHEDULES[self.schedule]()
        while state.spent < budget:
            before = state.waiting
            turn = schedule.choose(before > 0)
            end = min(state.spent + self.chunk, budget)
            if turn == EXPLOIT:
                state.exploit(end)
            else:
                state.explore(end)
            schedule.learn(state.waiting - before if turn != EXPLOIT or before else None)
            state.turns.append((state.spent, turn))
        return state.found()


NOVELTY = Search()
TAXONS = Search("taxons")
SERENE = Search("novelty", "alternate")
STAX = Search("taxons", "confidence")
FITNESS = Search("reward")
RANDOM = Search("random", start=5.0)


@dataclass(frozen=True)
class Found:
    """What a search evaluated, in order, and what it kept.

    behaviour (N, p), reward (N,), exploited (N,) bool : of every evaluation that was not rejected
    archive, rewarded : members of the novelty and of the reward archive, None where empty
    turns : (evaluations so far, "explore" or "exploit") at the end of each turn
    rejected : individuals with a NaN; collapsed : generations in which all were equally novel, so
        that selection was arbitrary; fits : times that the code was fitted
    """

    behaviour: Array
    reward: Array
    exploited: Array
    archive: Members | None
    rewarded: Members | None
    turns: list[tuple[int, str]]
    rejected: int
    collapsed: int
    fits: int


@dataclass
class _State:
    """A search under way."""

    plan: Search
    world: World
    rng: Any
    code: Any
    spent: int = 0
    rejected: int = 0
    collapsed: int = 0
    fits: int = 0
    generation: int = 0
    population: Members | None = None
    pool: Members | None = None
    archive: Archive = field(default_factory=Archive)
    rewarded: Archive = field(default_factory=Archive)
    candidates: list[Emitter] = field(default_factory=list)
    emitters: list[Emitter] = field(default_factory=list)
    turns: list[tuple[int, str]] = field(default_factory=list)
    log: list[tuple[Array, Array, Array]] = field(default_factory=list)
    fresh: list[Array] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        return len(self.candidates) + len(self.emitters)

    def found(self) -> Found:
        behaviour, reward, exploited = (np.concatenate(c) for c in zip(*self.log, strict=True))
        return Found(behaviour, reward, exploited, self.archive.all(), self.rewarded.all(),
                     self.turns, self.rejected, self.collapsed, self.fits)  # fmt: skip

    # -- evaluating -------------------------------------------------------------------------------
    def born(self, genomes: Array, exploited: bool = False) -> Members:
        """Evaluate; individuals with a NaN are left out."""
        behaviour, seen, reward = self.world.evaluate(genomes, self.rng)
        self.spent += len(genomes)
        flat = np.asarray(seen, dtype=float).reshape(len(genomes), -1)
        bad = ~np.isfinite(flat).all(1) | ~np.isfinite(behaviour).all(1) | np.isnan(reward)
        self.rejected += int(bad.sum())
        ok = np.flatnonzero(~bad)
        self.log.append((behaviour[ok], reward[ok], np.full(len(ok), exploited)))
        seen = seen[ok]
        if len(ok):
            self.fresh.append(seen)
        bd = self.code.describe(seen) if len(ok) else np.zeros((0, 1))
        return Members(genomes[ok], seen, bd, reward[ok], np.zeros(len(ok), dtype=bool))

    def mutate(self, genomes: Array, sigma: float, chance: float = 1.0) -> Array:
        step = sigma * self.rng.standard_normal(genomes.shape)
        if chance < 1:
            step = step * (self.rng.random(genomes.shape) < chance)
        return np.clip(genomes + step, -self.plan.limit, self.plan.limit)

    def reference(self) -> Array:
        """Descriptors that novelty is measured against; the reward archive is empty without it."""
        pool = [] if self.pool is None else [self.pool.bd]
        return np.concatenate([*pool, *self.archive.bd(), *self.rewarded.bd()])

    # -- exploring --------------------------------------------------------------------------------
    def explore(self, end: int) -> None:
        while self.spent < end:
            p = self.plan
            if p.select == "random" or self.population is None or not len(self.population):
                shape = (p.population, self.world.genes)
                begun = self.born(self.rng.uniform(-p.start, p.start, shape))
                self.population = self.pool = begun
                continue
            parents = np.repeat(self.population.genome, p.offspring, axis=0)
            born = self.born(self.mutate(parents, p.sigma, p.mutated))
            if len(born):
                self.choose(born)

    def choose(self, born: Members) -> None:
        """Emitters for the rewarded, scores, the archive, and who stays."""
        p, parents = self.plan, self.population
        assert parents is not None
        self.pool = parents.join(born)
        if p.schedule != "explore":
            self.start_emitters()
        score = self.scores()
        if len(self.pool) > 1 and np.ptp(score) == 0:
            self.collapsed += 1
        own = np.arange(len(parents), len(self.pool))
        picked = (self.rng.permutation(own) if p.archive == "random"
                  else own[np.argsort(-score[own], kind="stable")])  # fmt: skip
        self.archive.add(self.pool.take(picked[: p.stored]))
        if np.ptp(score) == 0:  # arbitrary, so at random
            score = self.rng.random(len(score))
        self.population = self.pool.take(np.argsort(-score, kind="stable")[: p.population])
        self.generation += 1
        if self.generation % p.refit == 0:
            self.refit()

    def scores(self) -> Array:
        assert self.pool is not None
        how = self.plan.select
        if how == "reward":
            return self.pool.reward
        if how == "taxons":
            early = self.generation < self.plan.first
            how = "novelty" if early or self.rng.random() < 0.5 else "surprise"
        if how == "surprise":
            return self.code.surprise(self.pool.seen)
        return novelty(self.pool.bd, self.reference(), self.plan.k)

    def refit(self) -> None:
        """Fit the code to everything seen and compute what is stored anew."""
        if isinstance(self.code, Given):
            return
        seen = np.concatenate(self.fresh)
        self.fresh = [seen]
        self.code.fit(seen)
        self.fits += 1
        groups = [g for g in (self.population, self.pool) if g is not None]
        for members in groups:
            members.bd = self.code.describe(members.seen)
        for e in (*self.candidates, *self.emitters):
            for members in (e.ancestor, e.members, *e.kept):
                if members is not None and len(members):
                    members.bd = self.code.describe(members.seen)
        if self.plan.renew:
            self.archive.describe(self.code)
            self.rewarded.describe(self.code)

    # -- exploiting -------------------------------------------------------------------------------
    def start_emitters(self) -> None:
        pool = self.pool
        assert pool is not None
        paid = np.flatnonzero((pool.reward > 0) & ~pool.marked)
        pool.marked[paid] = True
        for i in paid:
            one = pool.take([i])
            sigma = emitter_sigma(pool.genome, int(i), sigma_default=self.plan.sigma)
            self.candidates.append(Emitter(one, sigma))
            self.rewarded.add(one)

    def climb(self, e: Emitter) -> None:
        """One generation of an emitter."""
        p = self.plan
        genomes = self.mutate(e.parents(p.climbers, p.offspring), e.sigma)
        born = self.born(genomes, exploited=True)
        self.rewarded.add(e.take_in(born, p.climbers))

    def watch_novelty(self, e: Emitter, reference: Array) -> None:
        """Keep the members of an emitter that are more novel than all before them."""
        members = e.members
        if members is None or not len(members):
            return
        score = novelty(members.bd, reference, self.plan.k)
        over = np.flatnonzero(score > e.novel)
        if len(over):
            e.kept.append(members.take(over))
            e.novel = float(score.max())

    def by_novelty(self, emitters: list[Emitter]) -> Array:
        """Novelty of ancestors against the reward archive."""
        bd = np.concatenate([e.ancestor.bd for e in emitters])
        return novelty(bd, np.concatenate(self.rewarded.bd()), self.plan.k)

    def exploit(self, end: int) -> None:
        p = self.plan
        first = self.spent
        if self.candidates:
            order = np.argsort(-self.by_novelty(self.candidates), kind="stable")
            for e in [self.candidates[i] for i in order]:
                if end - self.spent <= p.share * (end - first):
                    break
                self.attempt(e)
        reference = self.reference()
        while self.emitters and self.spent < end:
            front = fronts(
                self.by_novelty(self.emitters), np.array([e.gain for e in self.emitters])
            )
            e = self.emitters[int(self.rng.choice(front[0]))]
            while self.spent < end and e in self.emitters:
                self.climb(e)
                self.watch_novelty(e, reference)
                if e.generations >= p.most or stagnates(e.values, self.world.genes, p.climbers):
                    self.end(e)
            e.gain = improvement(e.values)

    def attempt(self, e: Emitter) -> None:
        """Try a candidate: it becomes an emitter if it improves, else it is thrown away."""
        self.candidates = [c for c in self.candidates if c is not e]
        for _ in range(self.plan.bootstrap + 1):
            self.climb(e)
        e.gain = improvement(e.values)
        if e.gain > 0 or not self.plan.must_improve:
            self.emitters.append(e)

    def end(self, e: Emitter) -> None:
        """The emitter is done: its ancestor is archived, and some of its most novel members."""
        self.emitters = [x for x in self.emitters if x is not e]
        self.rewarded.add(e.ancestor)
        if e.kept:
            kept = e.kept[0]
            for more in e.kept[1:]:
                kept = kept.join(more)
            self.archive.add(kept.take(self.rng.permutation(len(kept))[: self.plan.stored]))


def with_settings(search: Search, **changes: Any) -> Search:
    """The search with other settings: `with_settings(SERENE, chunk=1000, sigma=0.05)`."""
    return replace(search, **changes)
