"""Pages of planning with the network: what plans teach, who could convert, products over tiers, planning again."""

from starlette.routing import Route

from interwork.web.access import form_action
from interwork.web.pages.allocation import network, reach, replanning, supplying, together, wanting


def routes() -> list[Route]:
    """List the pages."""
    return [
        Route("/gaps", network.gaps),
        Route("/investment", network.investment),
        Route("/products", supplying.index),
        Route("/products", form_action(supplying.record), methods=["POST"]),
        Route("/products/{id}", supplying.show),
        Route("/products/{id}/plans", form_action(supplying.plan), methods=["POST"]),
        Route("/supply-plans/{id}", supplying.show_plan),
        Route("/supply-plans/{id}", form_action(supplying.act), methods=["POST"]),
        Route("/needs", wanting.index),
        Route("/needs", form_action(wanting.act), methods=["POST"]),
        Route("/needs/{id}", reach.show_need),
        Route("/plans/{id}/tell", form_action(wanting.tell), methods=["POST"]),
        Route("/plans/{id}/volume", reach.show_volume),
        Route("/jobs/{id}/replan", replanning.show),
        Route("/jobs/{id}/replan", form_action(replanning.act), methods=["POST"]),
        Route("/plans/{id}/trade", form_action(replanning.trade), methods=["POST"]),
        Route("/together", together.show),
        Route("/together", form_action(together.act), methods=["POST"]),
    ]
