// Package notify tells the people of the tenant that something needs them (group
// notify). A notification is durable with the step that sends it; it is listed until
// somebody acknowledges it, and is an event of the connector for whoever reads its
// records.
//
//	notify.Send(abi.SeverityError, "Pump 1 is too hot", "93.5 Cel since 12:00", "pump1/hot")
package notify

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Send tells. key says what it is about: a later one with the same key takes the
// place of the one before, so that what goes on is told once; empty: the title.
// The error is an *abi.Error: invalid without a title, exhausted beyond the rate of
// the host.
func Send(severity abi.Severity, title, text, key string) error {
	_, err := hostSend(abi.NotifySend{Severity: severity, Title: title, Text: text, Key: key}.Append(hostcall.Request()))
	return err
}
