"""What a node says about itself, in formats of others."""

import json
import logging
import sys

from libraft import Config, MemoryStorage, RawNode, log_events, prometheus_text

storage = MemoryStorage()
storage.bootstrap([1])
node = RawNode(Config(id=1, seed=1), storage)
node.campaign()

# --8<-- [start:log]
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")

while node.has_ready():
    ready = node.ready()
    storage.save(ready)
    log_events(ready.events, node=node.id)
    node.advance()
# --8<-- [end:log]

# --8<-- [start:json]
status = json.loads(node.status_json())
print(status["role"], status["conf_state"]["voters"])
print(node.metrics().to_dict()["elections_won"], node.status().to_json())
# --8<-- [end:json]

# --8<-- [start:prometheus]
# For each scrape: all the nodes of this process. Labels tell nodes of one id, but of several groups, apart.
body = prometheus_text([(node, {"group": "accounts"})])  # Content-Type: libraft.PROMETHEUS_CONTENT_TYPE
# --8<-- [end:prometheus]
print(*(line for line in body.splitlines() if line.startswith("libraft_elections_won_total{")))
