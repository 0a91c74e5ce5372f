"""Gunicorn in production, behind a proxy that buffers requests (docs/deploy.md): its threads wait for slow bodies.

Without such a proxy use ``manage.py serve``, which does not.
"""

import os

bind = os.environ.get("BIND", "0.0.0.0:8000")
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 4
timeout = 60
graceful_timeout = 20
keepalive = 5
limit_request_line = 8190
limit_request_fields = 100
# Heartbeats of gunicorn's own processes: in memory where the root file system is read-only.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
# Replaced now and then against slow leaks, never all at once.
max_requests = 20_000
max_requests_jitter = 2_000
# Its control socket needs a home that can be written, and nobody here talks to it.
control_socket_disable = True
accesslog = None
errorlog = "-"
