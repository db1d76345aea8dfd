"""The portal's pages, one module each: load the records, make one frozen view, render it."""

from starlette.routing import Route

from interwork.web.access import form_action
from interwork.web.pages import (
    admin,
    agreements,
    allocation,
    designs,
    home,
    jobs,
    machinery,
    machines,
    network,
    plans,
    plant,
    programme,
    report,
    rnd,
    thread,
)


def routes() -> list[Route]:
    """List every page."""
    return [
        Route("/", home.index),
        Route("/about", home.about),
        Route("/network", network.index),
        Route("/network/{id}", network.show),
        *plant.routes(),
        Route("/machines", machines.index),
        *machinery.routes(),
        Route("/machines/{id}", machines.show),
        Route("/machines/{id}/series.json", machines.series),
        Route("/machines/{id}/runs/{run}", form_action(machines.work_run), methods=["POST"]),
        Route("/designs", designs.index),
        Route("/designs", form_action(designs.make), methods=["POST"]),
        Route("/designs/studies", form_action(designs.study), methods=["POST"]),
        Route("/designs/studies/{id}/cancel", form_action(designs.cancel), methods=["POST"]),
        Route("/designs/{id}", designs.show),
        Route("/designs/{id}/diff", designs.diff),
        Route("/designs/{id}/files", form_action(designs.add_file), methods=["POST"]),
        Route("/designs/{id}/plans", form_action(designs.draft), methods=["POST"]),
        Route("/designs/{id}/plans/{plan}", form_action(designs.act_on_plan), methods=["POST"]),
        Route("/designs/{id}/model.glb", designs.model),
        Route("/plans/{id}", plans.show),
        *allocation.routes(),
        Route("/jobs", jobs.index),
        Route("/jobs/{id}", jobs.show),
        Route("/jobs/{id}/proceed", form_action(jobs.proceed), methods=["POST"]),
        Route("/jobs/{id}/cancel", form_action(jobs.cancel), methods=["POST"]),
        Route("/agreements", agreements.index),
        Route("/offers/{id}/withdraw", form_action(agreements.withdraw), methods=["POST"]),
        Route("/agreements/{id}", agreements.show),
        Route("/agreements/{id}/terminate", form_action(agreements.terminate), methods=["POST"]),
        *rnd.routes(),
        Route("/thread", thread.index),
        Route("/thread/{id}", thread.show),
        Route("/thread/{id}/{node}", thread.show_node),
        Route("/programme", programme.index),
        Route("/programme", form_action(programme.fund), methods=["POST"]),
        Route("/report", report.index),
        Route("/report/rows/{metric}", report.rows),
        Route("/admin", admin.index),
        Route("/admin", form_action(admin.change), methods=["POST"]),
        Route("/admin/export.jsonl", admin.export),
    ]
