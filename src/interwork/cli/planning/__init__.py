"""`interwork gaps | invest | pareto | replan`: what plans teach, and what to do when something happens to one."""

from interwork.cli.planning.verbs import add as add
