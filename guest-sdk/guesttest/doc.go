// Package guesttest runs a connector natively under go test, with the host
// played by the test. The calls take the way that they take in the sandbox:
// encoded by the host, decoded and dispatched by the SDK, the answer encoded
// and decoded again; and the input is wiped after each call, so that a
// connector that keeps a slice of it is found out here.
//
//	func TestFrame(t *testing.T) {
//		h := guesttest.New(t, &line{})
//		ports := h.Serial("/dev/ttyUSB0")
//		h.MustOpen(`{"devices":[{"name":"boiler"}]}`)
//
//		out := h.MustEvents(ports.Frame("/dev/ttyUSB0", "422498\n"))
//		if got := string(out.Batch.Records[0].Payload); got != "422498\n" {
//			t.Error(got)
//		}
//	}
//
// Messages go in by Message and come out as replies (RepliesTo); Emits collects
// what a guest commits in the middle of a call; Job and Deploy call what a host
// calls beside the steps; Encode is a converter's way south.
//
// A host function that the test has not scripted answers "denied", as one of an
// optional capability does that was not granted.
//
// Anyone may import it from tests. A Harness belongs to one goroutine; several
// may run in parallel.
package guesttest
