"""Who we are together: memberships, common policies, technologies, funding, track records and the report."""

from interwork.consortium.directory import read_directory as read_directory
from interwork.consortium.funding import check_award as check_award
from interwork.consortium.funding import disburse as disburse
from interwork.consortium.membership import Application as Application
from interwork.consortium.membership import decide as decide
from interwork.consortium.policies import common_policies as common_policies
from interwork.consortium.policies import only_participant as only_participant
from interwork.consortium.policies import open_to_all as open_to_all
from interwork.consortium.readiness import move as move
from interwork.consortium.report import Metric as Metric
from interwork.consortium.report import metrics as metrics
from interwork.consortium.track import track_record as track_record
