"""Projects: a genetic search over orders of activities with justification, and CP-SAT for the rest and the proof."""

from interwork.allocation.project.solving import solve_project as solve_project
