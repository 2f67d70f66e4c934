"""A host of another make (pysparkplug): it reads messages, a JSON object a line on
stdin with a topic and a payload in hex, and prints what it makes of each. At the
end it prints the commands that it would send."""

import datetime
import json
import sys

import pysparkplug as spb

births = {}


def plain(metric):
    value = metric.value
    if isinstance(value, bytes):
        value = value.hex()
    elif isinstance(value, datetime.datetime):
        value = round(value.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000)
    return [metric.name, metric.datatype.name, None if metric.is_null else value,
            metric.timestamp, metric.is_historical]


for line in sys.stdin:
    m = json.loads(line)
    topic = spb.Topic.from_str(m["topic"])
    kind = topic.message_type
    payload = kind.payload.decode(bytes.fromhex(m["payload"]), birth=births.get(topic.device_id))
    if kind in (spb.MessageType.NBIRTH, spb.MessageType.DBIRTH):
        births[topic.device_id] = payload
    print(json.dumps({
        "kind": kind.name, "device": topic.device_id or "", "seq": getattr(payload, "seq", -1),
        "metrics": [plain(x) for x in getattr(payload, "metrics", [])],
    }))

values = [("speed", spb.DataType.INT64, -7), ("speed", spb.DataType.INT8, -7), ("speed", spb.DataType.DOUBLE, 1.5),
          ("speed", spb.DataType.STRING, "fast"), ("speed", spb.DataType.BOOLEAN, True), ("speed", spb.DataType.UINT64, 2**64 - 1)]
for name, kind, value in values:
    command = spb.DCmd(timestamp=1, metrics=(spb.Metric(timestamp=1, name=name, datatype=kind, value=value),))
    print(command.encode(include_dtypes=True).hex())
