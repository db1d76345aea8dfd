"""The pages of designs: hand in, look, compare, plan and change the plan."""

from interwork.web.pages.designs.acting import add_file as add_file
from interwork.web.pages.designs.acting import cancel as cancel
from interwork.web.pages.designs.acting import study as study
from interwork.web.pages.designs.planning import act_on_plan as act_on_plan
from interwork.web.pages.designs.planning import draft as draft
from interwork.web.pages.designs.showing import diff as diff
from interwork.web.pages.designs.showing import index as index
from interwork.web.pages.designs.showing import make as make
from interwork.web.pages.designs.showing import model as model
from interwork.web.pages.designs.showing import show as show
