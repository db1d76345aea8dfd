"""Verbs for people who run a plant: figures, stops, alarms, what is unusual, energy baselines, changes compared."""

from interwork.cli.plant.verbs import add as add
