package main

import (
	"fmt"
	"strings"
)

// The namespace of all topics (tck-id-topic-structure-namespace-a).
const namespace = "spBv1.0"

// The kinds of messages of an edge node.
const (
	nbirth = "NBIRTH"
	ndeath = "NDEATH"
	ndata  = "NDATA"
	ncmd   = "NCMD"
	dbirth = "DBIRTH"
	ddeath = "DDEATH"
	ddata  = "DDATA"
	dcmd   = "DCMD"
)

// address is where a node stands: its group and its own id.
type address struct{ group, node string }

// topic is that of a message of the node itself, or of a device of it.
func (a address) topic(message, device string) string {
	t := namespace + "/" + a.group + "/" + message + "/" + a.node
	if device != "" {
		t += "/" + device
	}
	return t
}

// command is what a topic asks: a message to the node (device is "") or to one of
// its devices.
func (a address) command(topic string) (message, device string, ok bool) {
	if topic == a.topic(ncmd, "") {
		return ncmd, "", true
	}
	device, ok = strings.CutPrefix(topic, a.topic(dcmd, "")+"/")
	return dcmd, device, ok && device != "" && !strings.Contains(device, "/")
}

// stateTopic is where a host application says whether it is there.
func stateTopic(host string) string { return namespace + "/STATE/" + host }

// idOf is the name of a device as an element of a topic: what may not stand
// there, and the sign that stands for it, become %2F and the like, so that no two
// names become one (tck-id-topic-structure-namespace-valid-device-id).
func idOf(name string) string {
	if !strings.ContainsAny(name, reserved) {
		return name
	}
	var out strings.Builder
	for i := range len(name) {
		if c := name[i]; strings.IndexByte(reserved, c) >= 0 {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

const reserved = "/+#%\x00"
