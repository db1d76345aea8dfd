"""Designs at a node: files measured and recorded in revisions, plans drafted, changed by people, kept as know-how."""

from interwork.flows.designing.planning import (
    Wanted as Wanted,
)
from interwork.flows.designing.planning import (
    calibrations as calibrations,
)
from interwork.flows.designing.planning import (
    change_plan as change_plan,
)
from interwork.flows.designing.planning import (
    draft as draft,
)
from interwork.flows.designing.planning import (
    fit as fit,
)
from interwork.flows.designing.planning import (
    keep_template as keep_template,
)
from interwork.flows.designing.planning import (
    use_template as use_template,
)
from interwork.flows.designing.recording import (
    attach as attach,
)
from interwork.flows.designing.recording import (
    compare_revisions as compare_revisions,
)
from interwork.flows.designing.recording import (
    read_revision as read_revision,
)
from interwork.flows.designing.recording import (
    record as record,
)
from interwork.flows.designing.studying import (
    cancel as cancel,
)
from interwork.flows.designing.studying import (
    submit as submit,
)
from interwork.flows.designing.studying import (
    work as work,
)
