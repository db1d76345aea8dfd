"""Assignment with sizes: an LP for the bound, HiGHS over the choices it likes, then CP-SAT agent by agent.

An item goes to few agents in any good plan: those with the least reduced cost. HiGHS solves over three of each; from
its plan on, the items of a few agents at a time are dealt out anew (local branching), which never makes the plan worse.
"""

import math
import random
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from interwork.allocation.assign.program import integral, program, relax
from interwork.allocation.engine.account import better, objective
from interwork.allocation.engine.exact import prove
from interwork.allocation.engine.limits import Clock
from interwork.allocation.problem.model import Placement, Problem, Solution, Status

SMALL = 2000
"""Pairs of item and agent up to which HiGHS is asked for a proof."""
MARGIN_S = 0.6
NARROW, WIDE = 3, 6
"""Agents an item may go to, in the first search and in the later ones."""
SHARE_OF_FIRST = 0.3
SUB_S = 0.8
SUB_EFFORT = 0.1
MOST_UNUSED = 10
"""Rounds in a row that find nothing before the neighbourhoods grow."""
SOLVED = (cp_model.OPTIMAL, cp_model.FEASIBLE)


def solve_assignment(problem: Problem, clock: Clock) -> Solution:
    """Assign every item at the least cost until the clock is up."""
    if problem.rows or problem.synergies or any(len(m.uses) != 1 for a in problem.activities for m in a.modes):
        return prove(problem, clock)
    table = _Table(problem)
    if table.bound == math.inf:
        return Solution(problem=problem.name, status=Status.INFEASIBLE, objective=0.0, bound=math.inf, solver="LP")
    found = table.first(clock)
    if found is None:
        return prove(problem, clock)
    is_small = len(table.picks) <= SMALL
    table.improve(found, clock.part(0.5) if is_small else clock)
    plan = _written(problem, table, found)
    if plan.status is Status.OPTIMAL or not is_small or clock.left < MARGIN_S:
        return plan
    proof = table.prove(clock)
    return better(problem, plan, _written(problem, table, proof or found))


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
        solver="HiGHS, then CP-SAT agent by agent",
    )


class _Table:
    """Costs and sizes by item and agent, with the reduced costs of the LP."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.program = program(problem)
        self.capacity = [each.capacity for each in problem.resources]
        self.costs: list[dict[int, float]] = []
        self.sizes: list[dict[int, int]] = []
        self.modes: list[dict[int, int]] = []
        for activity in problem.activities:
            agents = {mode.uses[0][0]: m for m, mode in enumerate(activity.modes)}
            self.modes.append(agents)
            self.costs.append({agent: activity.modes[m].price for agent, m in agents.items()})
            self.sizes.append({agent: activity.modes[m].uses[0][1] for agent, m in agents.items()})
        self.picks = self.program.picks
        self.is_whole = all(cost == int(cost) for each in self.costs for cost in each.values())
        answer = relax(self.program)
        self.bound = math.inf
        self.reduced: Any = None
        if answer.status == 0:
            self.bound = math.ceil(answer.fun - 1e-6) if self.is_whole else float(answer.fun)
            upper, equal = self.program.matrices()
            duals = answer.ineqlin.marginals @ upper + answer.eqlin.marginals @ equal
            self.reduced = np.array(self.program.costs) - duals
            self.basic = answer.x > 1e-6

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
        """Find a first plan: HiGHS over few choices, then over more, until one fits."""
        for width, share in ((NARROW, SHARE_OF_FIRST), (WIDE, 0.4), (len(self.capacity), 0.8)):
            liked = [set(each) for each in self.liked(width)]
            chosen = [self.problem.activities[a].modes[m].uses[0][0] in liked[a] for a, m in self.picks]
            columns = np.ones(len(self.program.costs), dtype=bool)
            columns[: len(chosen)] = chosen
            answer = integral(self.program, columns, share * clock.left)
            if answer.x is not None:
                return self._chosen(answer.x)
            if clock.is_up:
                return None
        return None

    def prove(self, clock: Clock) -> list[int] | None:
        """Solve over all choices with HiGHS: raise the bound, tell its plan if it has one."""
        answer = integral(self.program, np.ones(len(self.program.costs), dtype=bool), clock.left - MARGIN_S / 2)
        if answer.mip_dual_bound is not None and math.isfinite(answer.mip_dual_bound):
            bound = answer.mip_dual_bound
            self.bound = max(self.bound, math.ceil(bound - 1e-6) if self.is_whole else float(bound) - 1e-6)
        return self._chosen(answer.x) if answer.x is not None else None

    def _chosen(self, x: Any) -> list[int]:  # noqa: ANN401 - an array
        found = [-1] * len(self.costs)
        for column, (a, m) in enumerate(self.picks):
            if x[column] > 0.5:
                found[a] = self.problem.activities[a].modes[m].uses[0][0]
        return found

    def improve(self, found: list[int], clock: Clock) -> None:
        """Deal the items of a few agents out anew, again and again; keep what is not worse."""
        chance = random.Random(clock.limits.seed)  # noqa: S311 - a search, not a secret
        liked = self.liked(WIDE)
        total, size, unused, rounds = self.cost(found), 3, 0, 0
        most = 20 * clock.limits.effort if clock.is_fixed else 1 << 60
        while total > self.bound and clock.left > 0.3 and rounds < most:
            rounds += 1
            agents = set(chance.sample(range(len(self.capacity)), min(size, len(self.capacity))))
            is_done = self._deal(found, agents, liked, clock)
            now = self.cost(found)
            unused = 0 if now < total else unused + 1
            total = now
            if unused > 12 * size and is_done:
                size, unused = min(len(self.capacity), size + 1), 0
            elif not is_done and size > 3:
                size -= 1
            if size >= len(self.capacity) and unused > MOST_UNUSED:
                break

    def _deal(self, found: list[int], agents: set[int], liked: list[list[int]], clock: Clock) -> bool:
        items = [item for item, agent in enumerate(found) if agent in agents]
        model = cp_model.CpModel()
        cost: list[tuple[Any, float]] = []
        used: dict[int, list[tuple[Any, int]]] = {agent: [] for agent in agents}
        picks: dict[tuple[int, int], Any] = {}
        for item in items:
            able = sorted({a for a in liked[item] if a in agents} | {found[item]})
            for agent in able:
                pick = picks[item, agent] = model.new_bool_var("")
                cost.append((pick, self.costs[item][agent]))
                used[agent].append((pick, self.sizes[item][agent]))
                model.add_hint(pick, found[item] == agent)
            model.add_exactly_one([picks[item, agent] for agent in able])
        for agent, terms in used.items():
            model.add(sum(size * pick for pick, size in terms) <= self.capacity[agent])
        model.minimize(sum(c * pick for pick, c in cost))
        solver = cp_model.CpSolver()
        solver.parameters.random_seed = clock.limits.seed
        solver.parameters.max_time_in_seconds = max(0.05, min(SUB_S, clock.left - 0.2))
        solver.parameters.num_workers = 1 if clock.is_fixed else clock.limits.workers
        if clock.is_fixed:
            solver.parameters.max_deterministic_time = SUB_EFFORT
        code = solver.solve(model)
        if code in SOLVED:
            for (item, agent), pick in picks.items():
                if solver.value(pick):
                    found[item] = agent
        return bool(code == cp_model.OPTIMAL)
