package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/clock"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/serial"
)

// act does what the config says: a word, and an argument behind a blank.
func (e *echo) act(action string, frame []byte, input int, step *snaprail.Step) error {
	word, argument, _ := strings.Cut(action, " ")
	switch word {
	case "":
		return nil
	case "skip":
		step.Skip(input, "told to skip")
	case "reject":
		step.Reject(input, "told to reject")
	case "retry":
		step.Retry(input, duration(argument), "told to retry")
	case "error":
		return fmt.Errorf("told to fail on %q", frame)
	case "fault":
		return &abi.Error{Kind: abi.FaultUnavailable, Code: "told_to", Text: "told to fail", Hint: "Wait.", RetryAfterMS: 1}
	case "log":
		log.Info(argument)
	case "stderr":
		fmt.Fprintln(os.Stderr, argument)
	case "random":
		dice := make([]byte, 16)
		_, _ = rand.Read(dice) // never fails
		fmt.Fprintf(os.Stderr, "%x\n", dice)
	case "reply":
		_, err := e.port.Write(frame)
		return err
	case "try":
		_, err := serial.Open(serial.Defaults(argument))
		log.Info(fmt.Sprintf("tried %s: %v", argument, err))
	case "remove":
		step.RemoveDevice(argument)
	case "healthy":
		return snaprail.DeclareHealthy()
	case "unhealthy":
		return snaprail.DeclareUnhealthy()
	case "sleep":
		return clock.Sleep(duration(argument))
	case "wasi_sleep":
		time.Sleep(duration(argument))
	case "gc":
		return e.collect(frame)
	case "kv_flood", "kv_fill", "kv_drain", "log_flood", "records", "recurse":
		return e.flood(word, argument, step)
	default:
		return e.misbehave(word, step)
	}
	return nil
}

// misbehave does what no guest should.
func (e *echo) misbehave(word string, step *snaprail.Step) error {
	switch word {
	case "panic":
		panic("echo was told to panic")
	case "exit":
		os.Exit(3)
	case "spin":
		for {
			e.spun++
		}
	case "alloc":
		for {
			e.hoard = append(e.hoard, bytes.Repeat([]byte{1}, 1<<20))
		}
	case "gap":
		step.Record(abi.KindGap, e.Device, 0)
	case "many":
		for range abi.MaxItems + 1 {
			step.Telemetry(e.Device, 0)
		}
	case "huge":
		step.Payload(e.Device, 0, "", make([]byte, abi.MaxRecord+1))
	case "heavy":
		for range 9 {
			step.Payload(e.Device, 0, "", make([]byte, abi.MaxBatch/8))
		}
	default:
		return &abi.Error{Kind: abi.FaultInvalid, Code: "unknown_action", Text: "echo cannot " + word}
	}
	return nil
}

func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err) // the test's own fault
	}
	return d
}

// canary is what fills the buffers that would move in where a buffer of the
// host's was wrongly freed: those of the sizes that an input buffer has.
const canary = 0x5C

// collect forces a garbage collection in the middle of a call. It fails if the
// input changes with it, or if something was written since the last call into
// memory that is the guest's own: the host's buffer was then not rooted.
func (e *echo) collect(frame []byte) error {
	for _, c := range e.canaries {
		if head := c[:64]; bytes.Count(head, []byte{canary}) != len(head) {
			return &abi.Error{Kind: abi.FaultInternal, Code: "canary_dead", Text: "the host wrote into the guest's memory"}
		}
	}
	before := bytes.Clone(frame)
	e.canaries = e.canaries[:0]
	runtime.GC()
	for size := 4 << 10; size <= 64<<10; size *= 2 {
		for range 4 {
			e.canaries = append(e.canaries, bytes.Repeat([]byte{canary}, size))
		}
	}
	if !bytes.Equal(before, frame) {
		return &abi.Error{Kind: abi.FaultInternal, Code: "input_changed", Text: "the input changed during the call"}
	}
	return nil
}
