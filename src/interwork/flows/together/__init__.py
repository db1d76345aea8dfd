"""Planning together with other nodes: hours of machines, what an hour is worth, and one sum cross; nothing else."""

from interwork.flows.together.answering import answer_call as answer_call
from interwork.flows.together.answering import offer as offer
from interwork.flows.together.asking import coordinate as coordinate
from interwork.flows.together.investing import second_machines as second_machines
from interwork.flows.together.settling import take as take
