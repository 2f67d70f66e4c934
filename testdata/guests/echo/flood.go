package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

// flood runs into a limit and emits what the host said of it.
func (e *echo) flood(word, argument string, step *snaprail.Step) error {
	n, err := strconv.Atoi(argument)
	if err != nil {
		panic(err) // the test's own fault
	}
	switch word {
	case "kv_flood":
		e.tell(step, n, func(int) error { _, _, err := kv.Get("flood", nil); return err })
	case "kv_fill": // keys of 8 bytes, values of 1,016
		e.tell(step, n, func(i int) error { return kv.Put(fmt.Sprintf("fill%04d", i), make([]byte, 1016)) })
	case "kv_drain":
		e.tell(step, n, func(i int) error { return kv.Delete(fmt.Sprintf("fill%04d", i)) })
	case "log_flood":
		for i := range n {
			log.Info(strconv.Itoa(i))
		}
	case "records":
		for range n {
			step.Telemetry(e.Device, 0, abi.Point{Name: "text", Value: abi.String("of sixteen bytes")})
		}
	case "recurse":
		e.spun += deep(n)
	}
	return nil
}

// deep calls itself so many times, and more than the compiler can see through.
func deep(n int) uint64 {
	if n == 0 {
		return 1
	}
	return deep(n-1) + uint64(n)
}

// tell does something so many times and emits how often it worked, and how
// often it was refused with which code.
func (e *echo) tell(step *snaprail.Step, n int, do func(i int) error) {
	worked, refused := 0, map[string]int{}
	for i := range n {
		err := do(i)
		var said *abi.Error
		switch {
		case err == nil:
			worked++
		case errors.As(err, &said):
			refused[said.Code]++
		default:
			refused[err.Error()]++
		}
	}
	r := step.Record(abi.KindTelemetry, e.Device, 0)
	r.Points = append(r.Points, abi.Point{Name: "worked", Value: abi.Int(int64(worked))})
	for code, times := range refused {
		r.Points = append(r.Points, abi.Point{Name: code, Value: abi.Int(int64(times))})
	}
}
