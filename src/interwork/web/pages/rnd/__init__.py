"""Pages of research and development: models to run, trials that find settings, quality of what is made."""

from starlette.routing import Route

from interwork.web.access import form_action
from interwork.web.pages.rnd import measuring, models, quality, trials


def routes() -> list[Route]:
    """List the pages."""
    return [
        Route("/models", models.index),
        Route("/models", form_action(models.publish), methods=["POST"]),
        Route("/models/{id}", models.show),
        Route("/models/{id}/runs", form_action(models.run), methods=["POST"]),
        Route("/model-runs/{id}", models.show_run),
        Route("/model-runs/{id}/{what}.csv", models.table),
        Route("/trials", trials.index),
        Route("/trials", form_action(trials.begin), methods=["POST"]),
        Route("/trials/{id}", trials.show),
        Route("/trials/{id}", form_action(trials.act), methods=["POST"]),
        Route("/quality", quality.index),
        Route("/quality", form_action(quality.take_in), methods=["POST"]),
        Route("/quality/typed", form_action(measuring.take_typed), methods=["POST"]),
        Route("/quality/{id}", quality.show),
        Route("/gauges", form_action(measuring.study_gauge), methods=["POST"]),
        Route("/gauges/{id}", measuring.show_gauge),
        Route("/nonconformances", form_action(quality.report), methods=["POST"]),
        Route("/nonconformances/{id}", quality.show_nonconformance),
        Route("/nonconformances/{id}", form_action(quality.work), methods=["POST"]),
        Route("/designs/{id}/first-article", quality.article),
    ]
