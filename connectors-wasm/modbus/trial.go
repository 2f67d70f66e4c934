package main

import (
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// Test looks whether the config holds together, and whether the endpoint of the
// devices opens, as far as the host names any. To ask a device is to write, which a
// test may not where the host says so. A device that is silent may come back, and one
// that answers is enough; a config that does not hold fails the test.
func (b *bus) Test(in *abi.OpenInput) abi.TestResult {
	*b = bus{}
	c, err := readConfig(in)
	if err == nil {
		err = c.check()
	}
	var step snaprail.Step
	if err == nil && len(in.Devices) > 0 {
		err = b.Open(in, &step)
	}
	if err != nil && (len(b.bad) == 0 || len(b.devices) > 0) {
		return snaprail.TestFailed(err)
	}
	n := len(b.devices) + len(b.bad)
	if n == 0 {
		return abi.TestResult{Success: true, Message: "the config holds together; there is no device yet that could be asked"}
	}
	result := abi.TestResult{Success: len(b.bad) == 0}
	detail := func(name, text string) {
		if len(result.Details) < shown {
			result.Details = append(result.Details, abi.Header{Name: name, Value: []byte(text)})
		}
	}
	for _, m := range b.bad {
		if !result.Success && len(result.Details) == 0 {
			result.Details = snaprail.TestFailed(m.reason).Details // its code and hint
		}
		detail(m.id, m.reason.Error())
	}
	counts := map[string]int{}
	for _, d := range b.devices {
		said, err := d.tried(b, &step)
		if denied(err) {
			return snaprail.TestFailed(err) // it concerns all of them
		}
		counts[said]++
		detail(d.id, said)
	}
	switch {
	case counts[untried] > 0:
		result.Message = fmt.Sprintf("%s opens for %d devices, which are asked when the connector runs", endpointOf(in), n)
	default:
		result.Message = fmt.Sprintf("%d of %d devices answer", counts[answers], n)
		result.Success = result.Success && counts[answers] > 0
	}
	if len(b.bad) > 0 {
		result.Message = fmt.Sprintf("the config of %d of %d devices does not hold; %v", len(b.bad), n, b.bad[0].reason)
	}
	return result
}

// shown is how many devices a test names.
const shown = 50

// What a test says of a device that it did not fail with.
const (
	answers = "answers"
	untried = "is not asked by a test: its endpoint opens"
)

// tried makes the first read of a device.
func (d *device) tried(b *bus, step *snaprail.Step) (said string, err error) {
	if len(d.reads) == 0 {
		return untried, nil
	}
	err = b.read(d, &d.reads[0], step)
	switch {
	case err == nil:
		return answers, nil
	case snaprail.IsError(err, "not_active"):
		return untried, nil
	}
	return err.Error(), err
}
