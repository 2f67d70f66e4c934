package opcua

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// The server that plays the peer leaves a goroutine for each subscription that
// it had when it was stopped.
func TestMain(m *testing.M) {
	// Most of these tests wait for servers, most of the time. A flag of the command
	// line counts more than this.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/gopcua/opcua/server.(*Subscription).run"),
		goleak.IgnoreAnyFunction("github.com/gopcua/opcua/server.(*Server).monitorConnections"),
		goleak.IgnoreAnyFunction("github.com/gopcua/opcua/server.(*channelBroker).RegisterConn"))
}
