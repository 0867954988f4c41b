"""A class of errors has become frequent: one finding a spike, with its rate, what is normal, and since when.

Each class of errors of each service is compared with its own past, as a share of all the service does: more traffic is
no spike. A class that was never seen before is compared with the service's past without it.

    error.rate ──service, environment──> totals by second ──class of error──> detector of the class ──> finding
"""

from otelbridge.trackers.error_spike.settings import Config
from otelbridge.trackers.error_spike.tracker import SPEC, ErrorSpike

__all__ = ["SPEC", "Config", "ErrorSpike"]
