"""Pages for connecting machines, writing to them, and holding them to their blueprint."""

from starlette.routing import Route

from interwork.web.access import form_action
from interwork.web.pages.machinery import blueprint, connecting, trusting, writing


def routes() -> list[Route]:
    """List these pages; the dialogue's address stands before that of a machine of any id."""
    return [
        Route("/blueprint", blueprint.index),
        Route("/machines/connect", connecting.start),
        Route("/machines/connect", form_action(connecting.go_on), methods=["POST"]),
        Route("/machines/trust", trusting.index),
        Route("/machines/trust", form_action(trusting.act), methods=["POST"]),
        Route("/machines/{id}/link", form_action(connecting.act), methods=["POST"]),
        Route("/machines/{id}/write", writing.show),
        Route("/machines/{id}/write", form_action(writing.act), methods=["POST"]),
    ]
