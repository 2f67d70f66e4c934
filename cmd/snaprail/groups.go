package main

import (
	"path/filepath"

	"github.com/snaprail/snaprail/api"
	"github.com/snaprail/snaprail/hostfns/clock"
	"github.com/snaprail/snaprail/hostfns/connectors"
	"github.com/snaprail/snaprail/hostfns/deploy"
	"github.com/snaprail/snaprail/hostfns/devices"
	"github.com/snaprail/snaprail/hostfns/file"
	"github.com/snaprail/snaprail/hostfns/files"
	"github.com/snaprail/snaprail/hostfns/hooks"
	"github.com/snaprail/snaprail/hostfns/http"
	"github.com/snaprail/snaprail/hostfns/kafka"
	"github.com/snaprail/snaprail/hostfns/kv"
	"github.com/snaprail/snaprail/hostfns/log"
	"github.com/snaprail/snaprail/hostfns/metrics"
	"github.com/snaprail/snaprail/hostfns/mqtt"
	"github.com/snaprail/snaprail/hostfns/notify"
	"github.com/snaprail/snaprail/hostfns/opcua"
	"github.com/snaprail/snaprail/hostfns/random"
	"github.com/snaprail/snaprail/hostfns/serial"
	"github.com/snaprail/snaprail/hostfns/tcp"
	"github.com/snaprail/snaprail/hostfns/udp"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/spec"
)

// closedFiles are the places of the server's own that no guest may open,
// whatever it is granted.
func closedFiles(dir string, keys keySource) []string {
	if name := keys.outside(); name != "" {
		return []string{dir, filepath.Clean(name)}
	}
	return []string{dir}
}

// groups is all that a guest can be granted in this version. Files in the
// folders closed are not among it. Other hosts are reached by this way out.
func groups(out *egress.Egress, closed ...string) capability.Registry {
	return capability.NewRegistry(
		serial.New(serial.Config{}), file.New(closed...), http.New(out), log.New(), clock.New(), kv.New(), hooks.New(hooks.Config{}), devices.New(), connectors.New(), deploy.New(),
		opcua.New(opcua.Config{Egress: out}), kafka.New(kafka.Config{Egress: out}), mqtt.New(mqtt.Config{Egress: out}), tcp.New(tcp.Config{Egress: out}), udp.New(udp.Config{Egress: out}), random.New(), notify.New(), metrics.New(), files.New(),
	)
}

// offer is the same for commands that describe modules, and open nothing.
func offer() capability.Registry { return groups(nil) }

// hooksOf is the group that requests come in by, for whoever listens.
func hooksOf(groups capability.Registry) api.Hooks {
	g, _ := groups.Group(hooks.Name)
	return g.(*hooks.Group) //nolint:forcetypeassert // groups put it there
}

// metricsOf is the group that guests count by, for whoever shows that.
func metricsOf(groups capability.Registry) func(connectors []string) map[string]spec.GuestSeries {
	g, _ := groups.Group("metrics")
	return g.(*metrics.Group).Series //nolint:forcetypeassert // groups put it there
}
