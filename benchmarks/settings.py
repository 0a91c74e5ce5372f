"""Production's settings, and beside the product's addresses the view that does nothing."""

import os

from lpxgp.settings import *  # noqa: F403
from lpxgp.settings import MIDDLEWARE, Q_CLUSTER

ROOT_URLCONF = "benchmarks.urls"

if os.environ.get("BENCHMARK_BARE") == "1":
    # Below our own floor: no log line, no security headers, no session. Without its own, allauth does not start.
    MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]

# How the job queue runs best when it carries one task per webhook, which the product never does.
Q_CLUSTER = {**Q_CLUSTER, **({"bulk": 50, "queue_limit": 50} if os.environ.get("BENCHMARK_BULK") == "1" else {})}
