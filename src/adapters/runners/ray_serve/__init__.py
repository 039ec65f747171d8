"""Local models on a Ray cluster, by Ray Serve 2.60: an application for each model, shared by all gateways.

Not over Ray Client, which cannot stream: a gateway is a process on one of the cluster's nodes. Ray is told two things
before it is imported. It must not begin a cluster of its own in a gateway that has lost the one it had, and not end a
gateway whose cluster is gone for a minute: that has other things to do.
"""

import os

os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(10**9))
