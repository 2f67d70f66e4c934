// Package abusetest is what the abuse tests are made of: hostile guests,
// written by Go code so that no compiler is needed; a bystander, whose records
// have to arrive while those are at work; and the judgement of both. Only tests
// import it.
//
//	b := abusetest.NewBystander(2*time.Millisecond, send)
//	go b.Run(ctx)                       // calls send when a record is due
//	for n := range records { b.Saw(n) } // by the test, as they become durable
//	w := b.Between(from, to)            // the latencies of what was due then
//
// Its invariant: a latency counts from the moment when a record was due, not
// from when it could be sent, so that a machine that stands still shows in
// every record that it held up.
//
// The package's own tests run the cases of testdata/abuse.tsv that need a whole
// node; `make abuse` runs them at full length.
package abusetest
