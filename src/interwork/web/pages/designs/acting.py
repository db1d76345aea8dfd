"""What forms of the designs' pages do with files: have one measured, stop that, add one to a revision."""

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.errors import BadInput
from interwork.flows import designing
from interwork.web.access import MAY, node_of, require


async def _file(request: Request) -> tuple[bytes, str]:
    form = await request.form()
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise BadInput("No file was chosen.", remedy="Choose a STEP, IGES, STL, 3MF, DXF, QIF or FMU file.")
    return await file.read(), file.filename


async def study(request: Request) -> Response:
    """Take a file, and have it measured and recorded."""
    visitor = await require(request, *MAY["draw"])
    content, name = await _file(request)
    await designing.submit(node_of(request), content, name, actor=visitor.id)
    return RedirectResponse("/designs#studies", status_code=303)


async def cancel(request: Request) -> Response:
    """Stop an analysis."""
    visitor = await require(request, *MAY["draw"])
    await designing.cancel(node_of(request), request.path_params["id"], actor=visitor.id)
    return RedirectResponse("/designs#studies", status_code=303)


async def add_file(request: Request) -> Response:
    """Take one more file for a revision, and go to the revision that has it."""
    visitor = await require(request, *MAY["draw"])
    content, name = await _file(request)
    made = await designing.attach(node_of(request), request.path_params["id"], content, name, actor=visitor.id)
    return RedirectResponse(f"/designs/{made.id}", status_code=303)
