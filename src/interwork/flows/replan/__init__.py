"""A plan meets events: tell what happened, get a proposal with a priced diff, accept it, undo it."""

from interwork.flows.replan.deciding import accept as accept
from interwork.flows.replan.deciding import decline as decline
from interwork.flows.replan.deciding import undo as undo
from interwork.flows.replan.proposing import Told as Told
from interwork.flows.replan.proposing import propose as propose
from interwork.flows.replan.proposing import tell as tell
