"""Pages for people who run a plant: overview, how a machine ran, signals, energy, alarms, control charts."""

from starlette.routing import Route

from interwork.web.access import form_action
from interwork.web.pages.plant import alarms, charts, explorer, overview, performance, resources, shifts


def routes() -> list[Route]:
    """List the pages of a plant."""
    return [
        Route("/plant", overview.index),
        Route("/plant/shifts", shifts.index),
        Route("/plant/shifts", form_action(shifts.act), methods=["POST"]),
        Route("/machines/{id}/performance", performance.show),
        Route("/machines/{id}/performance", form_action(performance.act), methods=["POST"]),
        Route("/signals", explorer.index),
        Route("/signals", form_action(explorer.save), methods=["POST"]),
        Route("/signals/{id}/series.json", explorer.series),
        Route("/energy", resources.index),
        Route("/energy", form_action(resources.freeze), methods=["POST"]),
        Route("/alarms", alarms.index),
        Route("/alarms", form_action(alarms.act), methods=["POST"]),
        Route("/charts", charts.index),
        Route("/charts", form_action(charts.make), methods=["POST"]),
        Route("/charts/{id}", charts.show),
        Route("/charts/{id}/freeze", form_action(charts.freeze), methods=["POST"]),
    ]
