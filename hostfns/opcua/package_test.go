package opcua

import (
	"testing"

	"go.uber.org/goleak"
)

// The server that plays the peer leaves a goroutine for each subscription that
// it had when it was stopped.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/gopcua/opcua/server.(*Subscription).run"),
		goleak.IgnoreAnyFunction("github.com/gopcua/opcua/server.(*Server).monitorConnections"),
		goleak.IgnoreAnyFunction("github.com/gopcua/opcua/server.(*channelBroker).RegisterConn"))
}
