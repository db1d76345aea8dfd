"""Pages of what plans teach: gaps and bottlenecks, investment, and planning again after events."""

from starlette.routing import Route

from interwork.web.access import form_action
from interwork.web.pages.allocation import network, replanning


def routes() -> list[Route]:
    """List the pages."""
    return [
        Route("/gaps", network.gaps),
        Route("/investment", network.investment),
        Route("/jobs/{id}/replan", replanning.show),
        Route("/jobs/{id}/replan", form_action(replanning.act), methods=["POST"]),
        Route("/plans/{id}/trade", form_action(replanning.trade), methods=["POST"]),
    ]
