// Package abi is the contract between the Snaprail host and a guest: the
// messages of snaprail.proto, their codec, the manifest, the names of the
// entry points and the fault numbers. It imports the standard library alone,
// so that an SDK with it can be copied into any project, and nothing of ours.
//
// Encode with Append, which adds to a buffer of the caller's; decode with
// Decode, which replaces what the receiver held and reuses the memory of its
// slices. Decoded byte slices alias the input and are valid as long as it is;
// decoded strings are their own. No decoder panics, whatever it is fed, and
// none allocates by a declared count.
//
// Decoders read what generated code reads: unknown fields are skipped, the
// last of several scalars wins, several embedded messages are merged, and
// strings have to be UTF-8. They refuse more in these cases: groups, an index
// outside its table, an Outcome or a DeliverPart with two batches, and counts beyond the bounds
// of a crossing. An Append does not check what it writes.
//
// A value is not safe for use by several goroutines at once.
package abi

// Major and Minor are the version of the contract that this package speaks.
// A host serves its major and the one before, and refuses a higher minor.
//
// Minor 1 added what a host may call beside the steps: operations, the mode
// call, normalize_import, exchange_oauth_code and oauth_authorize_url.
//
// Minor 2 added the way south: an entry point for each type of message, encode,
// jobs, deployments, devices with tags and attributes, lanes, and errors with a
// template; snaprail:core health; and core emit in every mode.
//
// Minor 3 added deliver, which takes records out to where they go, also beside a
// connector's mode, and tickets for what it does not wait for; inbound requests of
// HTTP; and the groups of the protocols.
const (
	Major = 1
	Minor = 3
)

// The bounds of one crossing: whichever is met first ends a batch.
const (
	MaxItems  = 256     // records, events, verdicts
	MaxBatch  = 1 << 20 // bytes
	MaxRecord = 1 << 20 // bytes; larger payloads are blobs
	MaxPoints = 4096    // in a record
	// MaxBatchPoints is in all records of a batch together: a point of two
	// bytes on the wire takes a hundred in memory.
	MaxBatchPoints = 16384
	MaxHeaders     = 256  // in a record, a message or a test result
	MaxRequests    = 1024 // timers, device changes, replies, jobs in an outcome
	MaxDevices     = 1024 // handed to open
)

// ManifestSection is the custom section that holds a module's manifest.
const ManifestSection = "snaprail.manifest"

// ImportPrefix starts the import module of a host group: "snaprail:serial".
const ImportPrefix = "snaprail:"

// CoreGroup is the group that every guest has without a grant.
const CoreGroup = "core"

// The exports of the direct ABI.
const (
	ExportMemory = "memory"
	ExportAlloc  = "snaprail_alloc"

	EntryDescribe = "describe"
	EntryOpen     = "open"
	EntryClose    = "close"
	EntryPoll     = "poll"
	EntryOnEvents = "on_events"
	EntryRun      = "run"
	EntryConvert  = "convert"
	EntryDeliver  = "deliver" // of a sink, or of a connector beside its mode: see DeliverInput
	EntryTest     = "test"

	// One entry point for each type of message: it gets one encoded Message and
	// answers an Outcome. See EntryFor.
	EntryOnPublish    = "on_publish"
	EntryOnQuery      = "on_query"
	EntryOnRPC        = "on_rpc"
	EntryOnCommand    = "on_command"
	EntryOnAttributes = "on_attributes"

	EntryEncode = "encode" // of a converter: Messages in, Messages out
	EntryOnJob  = "on_job" // a Job in, an Outcome out: see JobAnswer

	// Of a connector that sets something up for each of its devices: see DeployInput.
	EntryDeploy   = "deploy"
	EntryTearDown = "tear_down"

	// The optional entry points of a connector's configuration. What goes in and
	// comes out is JSON: see ExchangeInput and its neighbours.
	EntryNormalizeImport   = "normalize_import"
	EntryExchangeOAuthCode = "exchange_oauth_code"
	EntryOAuthAuthorizeURL = "oauth_authorize_url"

	// OperationPrefix and a name are the entry point of a category's operation.
	// Its arguments come in as a JSON object, its result goes out as JSON.
	OperationPrefix = "op_"

	// DescribeOperations stands among the entry points that describe answers for
	// all operations, when a guest answers them in one place and its exports
	// alone say which there are.
	DescribeOperations = OperationPrefix + "*"
)

// EntryFor is the entry point for messages of a type, or "" for a type that this
// version does not know.
func EntryFor(t MessageType) string {
	switch t {
	case MessagePublish:
		return EntryOnPublish
	case MessageQuery:
		return EntryOnQuery
	case MessageRPC:
		return EntryOnRPC
	case MessageCommand:
		return EntryOnCommand
	case MessageAttributes:
		return EntryOnAttributes
	default:
		return ""
	}
}

// ErrorBit marks a reply that is an encoded Error: the top bit of the low 32
// bits of an entry point's result, and the sign bit of a host function's.
const (
	EntryErrorBit = uint64(1) << 31
	HostErrorBit  = uint64(1) << 63
)
