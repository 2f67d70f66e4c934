package spec

import "time"

// Set is what a tenant says of connectors whose health is declared and probed
// together. Its members say that they are: a set that nothing was said of has
// no record.
type Set struct {
	Name string `json:"name"`
	// ProbePort is the TCP port that is open while the set is healthy; 0: none.
	ProbePort int       `json:"tcp_probe_port,omitempty"`
	Updated   time.Time `json:"updated"`
}
