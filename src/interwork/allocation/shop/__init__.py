"""Flexible job shops: dispatch rules, a tabu search on critical paths, and CP-SAT for the proof."""

from interwork.allocation.shop.solving import solve_shop as solve_shop
