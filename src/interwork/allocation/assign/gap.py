"""Assignment with sizes: an LP for the bound, HiGHS over the choices it likes, then CP-SAT over few items.

An item goes to few agents in any good plan: those with the least reduced cost. HiGHS solves over three of each; its
plan and the greedy rule's are bettered by moves and swaps. From the better one on, the items of a few agents, or a few
items of all agents, are dealt out anew in turn (large neighbourhoods), which never makes the plan worse.
"""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from interwork.allocation.assign.apart import Answer, Apart, answered
from interwork.allocation.assign.multipliers import bounded
from interwork.allocation.assign.program import integral, program, relax
from interwork.allocation.assign.swapping import NEVER, Swapping
from interwork.allocation.engine.account import better, mode_cost, objective
from interwork.allocation.engine.exact import prove
from interwork.allocation.engine.limits import Clock
from interwork.allocation.problem.model import Activity, Placement, Problem, Solution, Status

SMALL = 2000
"""Pairs of item and agent up to which HiGHS is asked for a proof."""
MARGIN_S = 0.6
NARROW, WIDE = 3, 6
"""Agents an item may go to, in the first search and in the later ones."""
SHARE_OF_LP, SHARE_OF_PRICES, SHARE_OF_FIRST = 0.5, 0.5, 0.3
INFEASIBLE = 2
"""What HiGHS says of an LP that has no solution."""
LONGEST_FIRST_S = 8.0
"""HiGHS cannot be interrupted here, so that it is not left alone for long."""
FIRST_GAP = 2e-4
"""Where HiGHS stops at first: what is left is found sooner by dealing anew."""
APART_S = 5.0
"""Time from which a proof is worth a process of its own."""
SUB_S = 0.8
SUB_EFFORT = 0.1
KICK_EVERY, KICKS = 2, 500
"""Rounds between kicks, and how many then."""
MOST_UNUSED = 10
"""Rounds in a row that find nothing before the neighbourhoods grow."""
SOLVED = (cp_model.OPTIMAL, cp_model.FEASIBLE)


def solve_assignment(problem: Problem, clock: Clock) -> Solution:
    """Assign every item at the least cost until the clock is up."""
    if not is_plain(problem):
        return prove(problem, clock)
    table = _Table(problem, clock)
    if table.bound == math.inf:
        return Solution(problem=problem.name, status=Status.INFEASIBLE, objective=0.0, bound=math.inf, solver="LP")
    found = table.first(clock)
    if found is None:
        return prove(problem, clock)
    clock.tell(table.cost(found), "HiGHS", table.bound)
    if len(table.picks) > SMALL or clock.left < MARGIN_S:
        table.improve(found, clock)
        return _written(problem, table, found)
    proof = _proved_beside(problem, table, found, clock)
    return better(problem, _written(problem, table, found), _written(problem, table, proof or found))


def is_plain(problem: Problem) -> bool:
    """Tell whether every item goes to just one agent by one of its modes, and nothing else is asked."""
    of = [each.demand for each in problem.activities]
    return (
        not (problem.rows or problem.synergies or problem.transport)
        and len(set(of)) == len(of)
        and all(each.unserved is None and each.budget is None and not each.excluded for each in problem.demands)
        and all(_are_apart(each) for each in problem.activities)
    )


def _are_apart(activity: Activity) -> bool:
    agents = [mode.uses[0][0] for mode in activity.modes if len(mode.uses) == 1]
    return len(agents) == len(activity.modes) == len(set(agents))


def _proved_beside(problem: Problem, table: "_Table", found: list[int], clock: Clock) -> list[int] | None:
    """Deal anew here while HiGHS looks for a proof elsewhere; in turn where work is counted."""
    if clock.is_fixed or clock.left < APART_S:
        table.improve(found, clock.part(0.5))
        is_open = table.cost(found) > table.bound and clock.left > MARGIN_S
        return table.proved(answered(problem, clock.left - MARGIN_S / 2)) if is_open else None
    proof = Apart(problem, clock.left - 2 * MARGIN_S)
    try:
        table.improve(found, clock, lambda: proof.is_done)
        while table.cost(found) > table.bound and clock.left > MARGIN_S and not proof.is_done:
            proof.wait(0.05)
    finally:
        answer = proof.end()
    return table.proved(answer)


def _written(problem: Problem, table: "_Table", found: list[int]) -> Solution:
    placed = tuple(Placement(a, table.modes[a][agent], 0, 0) for a, agent in enumerate(found))
    own = objective(problem, placed)
    bound = min(own, table.bound)
    near = 1e-6 * max(1.0, abs(own))
    return Solution(
        problem=problem.name,
        status=Status.OPTIMAL if own <= bound + near else Status.FEASIBLE,
        objective=own,
        bound=bound,
        placements=placed,
        solver="HiGHS, then CP-SAT over few items",
    )


class _Table:
    """Costs and sizes by item and agent, with the reduced costs of the LP."""

    def __init__(self, problem: Problem, clock: Clock) -> None:
        self.problem = problem
        self.program = program(problem)
        self.capacity = [each.capacity for each in problem.resources]
        self.costs: list[dict[int, float]] = []
        self.sizes: list[dict[int, int]] = []
        self.modes: list[dict[int, int]] = []
        for activity in problem.activities:
            agents = {mode.uses[0][0]: m for m, mode in enumerate(activity.modes)}
            self.modes.append(agents)
            self.costs.append({agent: mode_cost(problem, activity.modes[m]) for agent, m in agents.items()})
            self.sizes.append({agent: activity.modes[m].uses[0][1] for agent, m in agents.items()})
        self.swapping = Swapping(self.costs, self.sizes, self.capacity)
        self.picks = self.program.picks
        self.is_whole = all(cost == int(cost) for each in self.costs for cost in each.values())
        self._relaxed(relax(self.program, max(0.2, SHARE_OF_LP * clock.left)), clock)

    def _relaxed(self, answer: Any, clock: Clock) -> None:  # noqa: ANN401 - scipy's answer has no type
        """Take bound and reduced costs from the LP; where it was not done in time, from prices of the capacities."""
        costs = np.array(self.program.costs)
        if answer.status == 0:
            self.bound = math.ceil(answer.fun - 1e-6) if self.is_whole else float(answer.fun)
            upper, equal = self.program.matrices()
            self.reduced = costs - (answer.ineqlin.marginals @ upper + answer.eqlin.marginals @ equal)
            self.basic = answer.x > 1e-6
            return
        self.basic = np.zeros(len(self.picks), dtype=bool)
        if answer.status != INFEASIBLE and self.swapping.is_able:
            self._priced(clock.part(SHARE_OF_PRICES))
            return
        cheapest = [min(each.values()) for each in self.costs]
        self.bound = math.inf if answer.status == INFEASIBLE else float(sum(cheapest))
        self.reduced = costs[: len(self.picks)] - np.array([cheapest[item] for item, _ in self.picks])

    def _priced(self, clock: Clock) -> None:
        """Take bound and reduced costs from prices of the capacities."""
        is_able = self.swapping.costs < NEVER
        costs, sizes = np.where(is_able, self.swapping.costs, np.inf), np.where(is_able, self.swapping.sizes, 0)
        found, reduced = bounded(costs, sizes, np.array(self.capacity), clock)
        self.bound = math.ceil(found - 1e-6) if self.is_whole else found
        agents = [self.problem.activities[item].modes[mode].uses[0][0] for item, mode in self.picks]
        self.reduced = reduced[[item for item, _ in self.picks], agents]

    def cost(self, found: list[int]) -> float:
        """Add up what an assignment costs."""
        return sum(self.costs[item][agent] for item, agent in enumerate(found))

    def liked(self, width: int) -> list[list[int]]:
        """List the agents of each item that the LP likes best."""
        of: list[list[tuple[float, int]]] = [[] for _ in self.costs]
        for column, (item, mode) in enumerate(self.picks):
            agent = self.problem.activities[item].modes[mode].uses[0][0]
            of[item].append((-1.0 if self.basic[column] else float(self.reduced[column]), agent))
        return [[agent for _, agent in sorted(each)[:width]] for each in of]

    def first(self, clock: Clock) -> list[int] | None:
        """Find a first plan: the better of the greedy rule's and that of HiGHS, each after moves and swaps."""
        plans = [self.greedy()]
        if self.basic.any():  # otherwise there was no time for the LP, so there is none for this
            plans.append(self._narrowed(clock))
        able = [each for each in plans if each is not None]
        for each in able:
            self.swapping.improve(each, clock)
        return min(able, key=self.cost, default=None)

    def _narrowed(self, clock: Clock) -> list[int] | None:
        """Let HiGHS choose among few agents of each item, then among more, until a plan fits."""
        for width, share in ((NARROW, SHARE_OF_FIRST), (WIDE, 0.4), (len(self.capacity), 0.8)):
            if clock.is_up:
                break
            liked = [set(each) for each in self.liked(width)]
            chosen = [self.problem.activities[a].modes[m].uses[0][0] in liked[a] for a, m in self.picks]
            columns = np.ones(len(self.program.costs), dtype=bool)
            columns[: len(chosen)] = chosen
            answer = integral(self.program, columns, min(LONGEST_FIRST_S, share * clock.left), FIRST_GAP)
            if answer.x is not None:
                return self._chosen(answer.x)
        return None

    def greedy(self) -> list[int] | None:
        """Give each item to the agent that the LP likes best of those with room, else to the one it is least to."""
        dear: list[dict[int, float]] = [{} for _ in self.costs]
        for column, (item, mode) in enumerate(self.picks):
            dear[item][self.problem.activities[item].modes[mode].uses[0][0]] = float(self.reduced[column])
        small = [{agent: float(size) for agent, size in each.items()} for each in self.sizes]
        return next((found for keys in (dear, small) if (found := self._filled(keys)) is not None), None)

    def _filled(self, keys: list[dict[int, float]]) -> list[int] | None:
        """Fill the agents by a key, the items first that lose most if they do not get their best."""
        room = list(self.capacity)
        found = [-1] * len(keys)
        ranked = [sorted(each, key=each.__getitem__) for each in keys]
        loss = [
            keys[item][each[1]] - keys[item][each[0]] if len(each) > 1 else math.inf for item, each in enumerate(ranked)
        ]
        for item in sorted(range(len(keys)), key=lambda each: -loss[each]):
            agent = next((each for each in ranked[item] if self.sizes[item][each] <= room[each]), None)
            if agent is None:
                return None
            found[item] = agent
            room[agent] -= self.sizes[item][agent]
        return found

    def proved(self, answer: Answer | None) -> list[int] | None:
        """Take over what HiGHS found over all choices: a higher bound, and its plan if it has one."""
        if answer is None:
            return None
        if answer.bound is not None:
            self.bound = max(self.bound, math.ceil(answer.bound - 1e-6) if self.is_whole else answer.bound - 1e-6)
        if answer.modes is None or min(answer.modes) < 0:
            return None
        return [self.problem.activities[a].modes[m].uses[0][0] for a, m in enumerate(answer.modes)]

    def _chosen(self, x: Any) -> list[int]:  # noqa: ANN401 - an array
        found = [-1] * len(self.costs)
        for column, (a, m) in enumerate(self.picks):
            if x[column] > 0.5:
                found[a] = self.problem.activities[a].modes[m].uses[0][0]
        return found

    def improve(self, found: list[int], clock: Clock, is_settled: Callable[[], bool] | None = None) -> None:
        """Deal some items out anew, again and again, in turn all of a few agents and a few of all; never for worse."""
        search = _Dealing(self, found, clock)
        while search.total > self.bound and clock.left > 0.3 and not search.is_exhausted:
            if is_settled is not None and is_settled():
                break
            search.step()
            clock.tell(search.total, "CP-SAT over few items", self.bound)


class _Dealing:
    """One search from a plan, which it betters in place."""

    def __init__(self, table: _Table, found: list[int], clock: Clock) -> None:
        self.table, self.found, self.clock = table, found, clock
        self.chance = random.Random(clock.limits.seed)  # noqa: S311 - a search, not a secret
        self.liked = table.liked(WIDE)
        self.regret: list[dict[int, float]] = [{} for _ in table.costs]
        for column, (item, mode) in enumerate(table.picks):
            agent = table.problem.activities[item].modes[mode].uses[0][0]
            self.regret[item][agent] = float(table.reduced[column])
        self.total = table.cost(found)
        self.agents, self.items = 3, 25.0
        """How much is dealt anew: all items of so many agents, or so many items of all."""
        self.unused = self.rounds = 0
        self.most = 20 * clock.limits.effort if clock.is_fixed else 1 << 60

    @property
    def is_exhausted(self) -> bool:
        """Tell whether there is nothing left to try, or the work is done."""
        is_all = self.agents >= len(self.table.capacity)
        return self.rounds >= self.most or (is_all and self.unused > MOST_UNUSED)

    def step(self) -> None:
        """Deal once; what is solved soon and to no use grows, what is not solved shrinks."""
        self.rounds += 1
        is_by_agent = self.rounds % 2 == 0 or len(self.found) <= self.items
        is_done = self._of_agents() if is_by_agent else self._of_items()
        if self.rounds % KICK_EVERY == 0:
            self.table.swapping.kick(self.found, self.liked, self.chance, KICKS, self.clock)
        now = self.table.cost(self.found)
        self.unused = 0 if now < self.total else self.unused + 1
        self.total = now
        if not is_by_agent:
            grown = 1.03 * self.items if is_done else max(15.0, 0.9 * self.items)
            self.items = min(float(len(self.found)), grown)
        elif self.unused > 12 * self.agents and is_done:
            self.agents, self.unused = min(len(self.table.capacity), self.agents + 1), 0
        elif not is_done and self.agents > 3:
            self.agents -= 1

    def _of_agents(self) -> bool:
        count = len(self.table.capacity)
        agents = set(self.chance.sample(range(count), min(self.agents, count)))
        items = [item for item, agent in enumerate(self.found) if agent in agents]
        return self._deal({item: {a for a in self.liked[item] if a in agents} for item in items})

    def _of_items(self) -> bool:
        """Half of them where the LP would rather have them elsewhere, half at random."""
        count, size = len(self.found), int(self.items)
        dear = sorted(range(count), key=lambda item: -self.regret[item][self.found[item]] * self.chance.random())
        items = set(dear[: size // 2]) | set(self.chance.sample(range(count), size - size // 2))
        return self._deal({item: set(self.liked[item]) for item in sorted(items)})

    def _deal(self, able: dict[int, set[int]]) -> bool:
        """Deal some items out anew over the agents they may go to; tell whether nothing better is left to find."""
        table, found = self.table, self.found
        room = list(table.capacity)
        for item, agent in enumerate(found):
            room[agent] -= 0 if item in able else table.sizes[item][agent]
        model = cp_model.CpModel()
        cost: list[tuple[Any, float]] = []
        used: dict[int, list[tuple[Any, int]]] = {}
        picks: dict[tuple[int, int], Any] = {}
        for item, agents in able.items():
            for agent in sorted(agents | {found[item]}):
                pick = picks[item, agent] = model.new_bool_var("")
                cost.append((pick, table.costs[item][agent]))
                used.setdefault(agent, []).append((pick, table.sizes[item][agent]))
                model.add_hint(pick, found[item] == agent)
            model.add_exactly_one([picks[item, agent] for agent in sorted(agents | {found[item]})])
        for agent, terms in used.items():
            model.add(sum(size * pick for pick, size in terms) <= room[agent])
        model.minimize(sum(c * pick for pick, c in cost))
        solver = self._solver()
        code = solver.solve(model)
        if code in SOLVED:
            for (item, agent), pick in picks.items():
                if solver.value(pick):
                    found[item] = agent
        return bool(code == cp_model.OPTIMAL)

    def _solver(self) -> Any:  # noqa: ANN401 - CP-SAT's own types are not public
        solver, limits = cp_model.CpSolver(), self.clock.limits
        solver.parameters.random_seed = limits.seed
        solver.parameters.catch_sigint_signal = False  # Ctrl-C ends the whole search, not one round of it
        solver.parameters.max_time_in_seconds = max(0.05, min(SUB_S, self.clock.left - 0.2))
        solver.parameters.num_workers = 1 if self.clock.is_fixed else limits.workers
        if self.clock.is_fixed:
            solver.parameters.max_deterministic_time = SUB_EFFORT
        return solver
