package snaprail

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// DeclareHealthy says that the connector does its work. The host adds its own
// checks. Until a guest declares something its health is undeclared. It may be
// called in any handler, and takes effect at once.
func DeclareHealthy() error { return declare(abi.HealthHealthy) }

// DeclareUnhealthy says that the connector cannot do its work.
func DeclareUnhealthy() error { return declare(abi.HealthUnhealthy) }

func declare(state abi.HealthState) error {
	_, err := hostHealth(abi.Health{State: state}.Append(hostcall.Request()))
	return err
}
