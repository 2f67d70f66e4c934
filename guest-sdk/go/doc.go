// Package snaprail is the SDK for guests in Go: connectors and converters that
// Snaprail runs in a sandbox. A guest is one value with the handlers that it
// wants, one line that registers it, and a manifest. The words that cross the
// wall are those of package abi; what a handler wants to happen goes into its
// Step; the host's functions are in the packages beside this one: serial, http,
// log, kv, clock, file, devices, connectors. A module imports the groups that it
// uses, and no other.
//
//   - life: Opener, Closer, Tester
//   - north, from the device: Poller, EventHandler or Runner, by the manifest's
//     mode; Converter for records
//   - south, to the device: PublishHandler, QueryHandler, RPCHandler,
//     CommandHandler, AttributesHandler; Encoder for messages
//   - beside the steps: Operator for a category, JobHandler for what takes long,
//     Deployer for what a device needs elsewhere
//   - set-up: ImportNormalizer, OAuthAuthorizer, OAuthExchanger
//
// What a guest has no handler for is answered "unsupported", and so is what only
// a later version of the contract knows.
//
// The host calls one handler at a time and a handler may simply wait. Byte
// slices handed in are valid until the handler returns. A panic ends the guest:
// the host starts a fresh one, with nothing of the failed step applied.
//
// A complete connector, which turns the lines of a scale into weights:
//
//	package main
//
//	import (
//		"bytes"
//		"strconv"
//
//		"github.com/snaprail/snaprail/guest-sdk/abi"
//		snaprail "github.com/snaprail/snaprail/guest-sdk/go"
//		"github.com/snaprail/snaprail/guest-sdk/go/serial"
//	)
//
//	var _ = snaprail.Register(&scale{})
//
//	func main() {}
//
//	type scale struct {
//		Port string `json:"port"`
//	}
//
//	func (s *scale) Open(in *abi.OpenInput, step *snaprail.Step) error {
//		if err := snaprail.Config(in, s); err != nil {
//			return err
//		}
//		step.PutDevice("scale", "scale", "Scale")
//		_, err := serial.Open(serial.Defaults(s.Port))
//		return err
//	}
//
//	func (s *scale) OnEvents(events []abi.Event, step *snaprail.Step) error {
//		for i, event := range events {
//			if event.Type != abi.EventData {
//				continue
//			}
//			grams, err := strconv.ParseFloat(string(bytes.TrimSpace(event.Data)), 64)
//			if err != nil {
//				step.Reject(i, err.Error())
//				continue
//			}
//			step.Telemetry("scale", event.Time, abi.Point{Name: "weight", Unit: "g", Value: abi.Double(grams)})
//		}
//		return nil
//	}
//
// Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags="-s -w" -o scale.wasm .
//
// with Go 1.26 or newer, and pack its manifest in with snaprail pack. Package guesttest runs the same
// code natively under go test.
//
// Messages to the device come one at a time, each to the handler of its type, or
// in run mode out of Loop.Receive; Step.Complete and its neighbours answer. There
// is no second name for a handler: what the ThingsBoard gateway calls
// server_side_rpc_handler (or server_side_rpc) is OnRPC, its on_attributes_update
// (or on_attributes_update_method) is OnAttributes, its run is Run or OnEvents,
// and what the Vantiq connector SDK hands to configure_handlers are Open,
// OnPublish, OnQuery and Close, which answer a ConnectorError where those raise a
// VantiqConnectorException.
//
// A provider of a category answers the operations that the category names, with
// JSON on both sides: it is an Operator, says mode "call" in its manifest if it
// does nothing else, and exports each operation beside its main:
//
//	//go:wasmexport op_send
//	func opSend(ptr, n uint32) uint64 { return snaprail.Operation("send", ptr, n) }
//
// Anyone may import this package. It imports the standard library and abi
// alone, so that it can be copied into a project.
package snaprail
