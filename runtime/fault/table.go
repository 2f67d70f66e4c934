package fault

import (
	"net/http"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Kind is a row of the fault table.
type Kind uint8

// The kinds.
const (
	Internal Kind = iota
	Canceled
	Timeout
	Invalid
	ConfigInvalid
	BodyInvalid
	NotWasm
	WasmComponent
	WasmMalformed
	ModuleTooLarge
	ManifestMissing
	ManifestInvalid
	ABIUnsupported
	EntryPointMissing
	ImportUnknown
	ImportUndeclared
	CapabilityNotGranted
	ModuleInUse
	ModuleRejected
	Unauthenticated
	Denied
	NotFound
	Exists
	StaleRevision
	RevisionRequired
	NotConnected
	WrongState
	PortNotFound
	PortInUse
	ResourceUnavailable
	SessionClosed
	Unsupported
	TooLarge
	Exhausted
	Guest
	GuestTrap
	GuestDeadline
	GuestMemory
	NotActive
	Integrity
	DiskFull
	LogFailed
	ShuttingDown
	Unreachable
	Usage
	MethodUnsupported
	MediaUnsupported
	WrongHost
	WasmInvalid
	WasmFeature
	WasmReserved
	WasmFunctions
	WasmBody
	WasmNesting
	WasmBranches
	WasmLocals
	WasmOperands
	WasmTypes
	WasmImports
	WasmExports
	WasmGlobals
	WasmTable
	WasmMemory
	WasmSegments
	WasmElements
	WasmSections
	WasmName
	CompileLimit
	GuestStack
	GuestTable
	GuestOutput
	HostCallLimit
	HostBytesLimit
	LogLimit
	KVLimit
	KVRateLimit
	HTTPLimit
	TenantMemory
	TenantCPU
	AboveCeiling
	ConsentRequired
	TypeUnknown
	OperationMissing
	ProviderExists
	SecretMissing
	SecretInUse
	KeyWrong
	RoleRequired
	NotGrantable
	LoginFailed
	LoginDelayed
	CrossOrigin
	QuotaReached
	RateLimited
	IdempotencyMismatch
	IdempotencyBusy
	EgressForbidden
	PeerTLS
	OAuthState
	OAuthFailed
	DeviceUnknown
	TagExists
	TagMissing
	MessageInvalid
	NotAQuery
	LateReply
	ReplyEnded
	SlowReader
	CallCycle
	Interlocked
	ApprovalRequired
	DeployFailed
	HookUnavailable
	HookRejected
	BodySlow
	kinds // the number of kinds
)

// Info is what the table knows of a kind.
type Info struct {
	Code   string        // stable, snake_case
	Title  string        // one line for a person
	Status int           // HTTP
	Exit   int           // of the command line
	ABI    abi.FaultKind // across the wall
	Retry  bool          // whether the same call can succeed later
	Hint   string        // what to do next, unless the fault knows better
}

// Info is the kind's row.
func (k Kind) Info() Info {
	if k >= kinds {
		k = Internal
	}
	return table()[k]
}

// String is the kind's code.
func (k Kind) String() string { return k.Info().Code }

// Kinds lists all kinds, in the order of the table.
func Kinds() []Kind {
	all := make([]Kind, kinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// The exit codes of the command line.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitNotFound    = 3
	ExitAuth        = 4
	ExitConflict    = 5
	ExitRefused     = 6
	ExitTimeout     = 7
	ExitUnreachable = 8
	ExitTemporary   = 75
	ExitCorrupt     = 78
	ExitInterrupted = 130
)

// table is the fault table. It is a function, so that nobody can change a row.
func table() [kinds]Info {
	return [kinds]Info{
		Internal:             {"internal", "Internal failure", http.StatusInternalServerError, ExitFailure, abi.FaultInternal, false, "Look at the server's log; if it happens again, report it with that log."},
		Canceled:             {"canceled", "Cancelled", http.StatusServiceUnavailable, ExitInterrupted, abi.FaultClosed, true, "Call again."},
		Timeout:              {"timeout", "Deadline passed", http.StatusGatewayTimeout, ExitTimeout, abi.FaultTimeout, true, "Call again with a longer deadline, or look why the peer is slow."},
		Invalid:              {"invalid", "Invalid request", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Correct the request and send it again."},
		ConfigInvalid:        {"config_invalid", "Configuration does not fit the schema", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Correct the named fields; `snaprail modules show` prints the schema."},
		BodyInvalid:          {"body_invalid", "Request body cannot be read", http.StatusBadRequest, ExitRefused, abi.FaultInvalid, false, "Send the body that the API reference at /docs shows."},
		NotWasm:              {"not_wasm", "Not a WebAssembly module", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Upload the .wasm file that your toolchain built; it starts with the bytes 00 61 73 6d."},
		WasmComponent:        {"wasm_component", "A component, not a core module", http.StatusUnprocessableEntity, ExitRefused, abi.FaultUnsupported, false, "Build a core module instead (Go: -buildmode=c-shared; Rust: --target wasm32-wasip1 without componentizing)."},
		WasmMalformed:        {"wasm_malformed", "Malformed WebAssembly module", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Build the module again and upload it whole; the offset names the first wrong byte."},
		ModuleTooLarge:       {"module_too_large", "Module is too large", http.StatusRequestEntityTooLarge, ExitRefused, abi.FaultTooLarge, false, "Strip the module (Go: -ldflags='-s -w'), or raise the server's --max-module."},
		ManifestMissing:      {"manifest_missing", "Module has no manifest", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Add one with `snaprail pack`, or upload a manifest beside the module."},
		ManifestInvalid:      {"manifest_invalid", "Manifest is wrong", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Correct the manifest and run `snaprail pack` again."},
		ABIUnsupported:       {"abi_unsupported", "Module needs another version of the contract", http.StatusUnprocessableEntity, ExitRefused, abi.FaultUnsupported, false, "Update the server, or build the module with an SDK of this server's version."},
		EntryPointMissing:    {"entry_point_missing", "Module lacks an entry point", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Export the named functions, or correct kind, mode and entry_points in the manifest."},
		ImportUnknown:        {"import_unknown", "Module imports a function that does not exist", http.StatusUnprocessableEntity, ExitRefused, abi.FaultUnsupported, false, "Build with an SDK of this server's version; `snaprail inspect` lists the imports."},
		ImportUndeclared:     {"import_undeclared", "Module imports a group that its manifest does not name", http.StatusUnprocessableEntity, ExitRefused, abi.FaultDenied, false, "Name the group under capabilities in the manifest, with a reason, and pack again."},
		CapabilityNotGranted: {"capability_not_granted", "A required capability was not granted", http.StatusConflict, ExitRefused, abi.FaultDenied, false, "Add a grant for the group to the connector."},
		ModuleInUse:          {"module_in_use", "Module is in use", http.StatusConflict, ExitConflict, abi.FaultConflict, false, "Point the named connectors at another module, or delete them first."},
		ModuleRejected:       {"module_rejected", "Module failed on admission", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Run the module's own tests; it must answer describe without failing."},
		Unauthenticated:      {"unauthenticated", "No valid token", http.StatusUnauthorized, ExitAuth, abi.FaultUnauthenticated, false, "Send `Authorization: Bearer <token>`; the server printed one at its first start."},
		Denied:               {"denied", "Not granted", http.StatusForbidden, ExitAuth, abi.FaultDenied, false, "Ask for a grant that covers the resource, or name a resource that is granted."},
		NotFound:             {"not_found", "Not found", http.StatusNotFound, ExitNotFound, abi.FaultNotFound, false, "List what exists and use one of those names."},
		Exists:               {"exists", "Already exists", http.StatusConflict, ExitConflict, abi.FaultConflict, false, "Use another name, or update the existing one."},
		StaleRevision:        {"stale_revision", "Changed by somebody else in the meantime", http.StatusPreconditionFailed, ExitConflict, abi.FaultConflict, false, "Read it again and repeat the change on the new revision."},
		RevisionRequired:     {"revision_required", "If-Match is missing", http.StatusPreconditionRequired, ExitUsage, abi.FaultInvalid, false, "Send If-Match with the ETag of the revision that you read."},
		NotConnected:         {"not_connected", "The connection test did not pass", http.StatusConflict, ExitConflict, abi.FaultUnavailable, false, "Look at the test's message, mend the cause and activate again."},
		WrongState:           {"wrong_state", "Not possible in this state", http.StatusConflict, ExitConflict, abi.FaultConflict, false, "Look at the connector's status; stop or activate it first."},
		PortNotFound:         {"port_not_found", "No such port", http.StatusNotFound, ExitNotFound, abi.FaultNotFound, true, "Check the cable and the path (ls -l /dev/serial/by-id), then try again."},
		PortInUse:            {"port_in_use", "Port is owned by another connector", http.StatusConflict, ExitConflict, abi.FaultConflict, true, "Deactivate the other connector, or use another port."},
		ResourceUnavailable:  {"resource_unavailable", "The resource does not answer", http.StatusBadGateway, ExitTemporary, abi.FaultUnavailable, true, "Check that the device or the peer is switched on and reachable."},
		SessionClosed:        {"session_closed", "The session is closed", http.StatusConflict, ExitConflict, abi.FaultClosed, false, "Open it again."},
		Unsupported:          {"unsupported", "Not supported", http.StatusNotImplemented, ExitFailure, abi.FaultUnsupported, false, "Use a module that offers this operation."},
		TooLarge:             {"too_large", "Too large", http.StatusRequestEntityTooLarge, ExitRefused, abi.FaultTooLarge, false, "Send less at once."},
		Exhausted:            {"exhausted", "A limit is used up", http.StatusTooManyRequests, ExitTemporary, abi.FaultExhausted, true, "Wait and try again, or ask for a higher limit."},
		Guest:                {"guest_error", "The module reported an error", http.StatusBadGateway, ExitFailure, abi.FaultUnknown, false, "Read the module's message and its log (`snaprail logs`)."},
		GuestTrap:            {"guest_trap", "The module crashed", http.StatusBadGateway, ExitFailure, abi.FaultInternal, false, "Read the end of the module's log and report it to the module's author."},
		GuestDeadline:        {"guest_deadline", "The module did not return in time", http.StatusGatewayTimeout, ExitTimeout, abi.FaultTimeout, false, "Raise the connector's call_timeout, or report it to the module's author."},
		GuestMemory:          {"guest_memory", "The module needs more memory than its limit", http.StatusInsufficientStorage, ExitFailure, abi.FaultExhausted, false, "Raise the connector's memory limit, or use a smaller module."},
		NotActive:            {"not_active", "Not allowed before the guest is active", http.StatusConflict, ExitConflict, abi.FaultNotActive, true, "Do it after open has returned."},
		Integrity:            {"integrity", "Stored data is damaged", http.StatusInternalServerError, ExitCorrupt, abi.FaultInternal, false, "Restore from a backup; do not restart in a loop."},
		DiskFull:             {"disk_full", "The disk is full", http.StatusInsufficientStorage, ExitTemporary, abi.FaultExhausted, true, "Free space on the data directory's disk; work goes on by itself."},
		LogFailed:            {"log_failed", "The outbox cannot be written", http.StatusInternalServerError, ExitFailure, abi.FaultInternal, false, "Check the disk, then restart the server; what was acknowledged is kept."},
		ShuttingDown:         {"shutting_down", "The server is stopping", http.StatusServiceUnavailable, ExitTemporary, abi.FaultClosed, true, "Call again when the server is back."},
		Unreachable:          {"unreachable", "The server does not answer", http.StatusBadGateway, ExitUnreachable, abi.FaultUnavailable, true, "Start it with `snaprail serve`, or name it with --server."},
		Usage:                {"usage", "Wrong usage", http.StatusBadRequest, ExitUsage, abi.FaultInvalid, false, "Add --help to the command."},
		MethodUnsupported:    {"method_unsupported", "The resource has no such method", http.StatusMethodNotAllowed, ExitFailure, abi.FaultUnsupported, false, "Use one of the methods that the Allow header names."},
		MediaUnsupported:     {"media_unsupported", "Body of a type that is not read here", http.StatusUnsupportedMediaType, ExitRefused, abi.FaultUnsupported, false, "Send application/json, or for modules application/wasm or multipart/form-data."},
		WrongHost:            {"wrong_host", "Not a name of this server", http.StatusMisdirectedRequest, ExitRefused, abi.FaultDenied, false, "Use a name that the server knows, or add it with --host."},
		WasmInvalid:          {"wasm_invalid", "Module does not validate", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Build the module again with a current toolchain; the offset names the first wrong instruction."},
		WasmFeature:          {"wasm_feature", "Module uses a WebAssembly feature that is not supported", http.StatusUnprocessableEntity, ExitRefused, abi.FaultUnsupported, false, "Build for WebAssembly 2.0 without threads, 64-bit memory, garbage collection, tail calls or exceptions."},
		WasmReserved:         {"wasm_reserved", "Module uses a name that the host keeps for itself", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Rename the export or the import: names that start with `snaprail.` and the module `snaprail:meter` are the host's."},
		WasmFunctions:        {"wasm_too_many_functions", "Too many functions", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Let the linker drop what is not used (Go: -ldflags='-s -w'; Rust: lto and opt-level s)."},
		WasmBody:             {"wasm_function_too_large", "A function is too large", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Split the function, move tables of data out of code, or lower the inlining."},
		WasmNesting:          {"wasm_nesting_too_deep", "Blocks are nested too deeply", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Split the function, or build with optimization, which flattens nested blocks."},
		WasmBranches:         {"wasm_too_many_branches", "A branch table is too large", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Turn a large switch into a table of data, or split it."},
		WasmLocals:           {"wasm_too_many_locals", "Too many local variables", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Build with optimization, or split the function."},
		WasmOperands:         {"wasm_stack_too_high", "A function needs too many operands at once", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Build with optimization, or split the function."},
		WasmTypes:            {"wasm_too_many_types", "Too many function types, or one that is too long", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Build with optimization; no toolchain needs this many."},
		WasmImports:          {"wasm_too_many_imports", "Too many imports", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Import only what the SDK declares."},
		WasmExports:          {"wasm_too_many_exports", "Too many exports", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Export the entry points alone."},
		WasmGlobals:          {"wasm_too_many_globals", "Too many globals", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Build with optimization; no toolchain needs this many."},
		WasmTable:            {"wasm_table_too_large", "Too many tables, or one that is too large", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Build with one table of the functions that are called indirectly."},
		WasmMemory:           {"wasm_memory_too_large", "Too many memories, or one that is too large", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Build with one memory, and a smaller initial size."},
		WasmSegments:         {"wasm_too_many_segments", "Too many data segments", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Let the linker merge data segments."},
		WasmElements:         {"wasm_too_many_elements", "Too many table entries", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Let the linker drop functions that are not called indirectly."},
		WasmSections:         {"wasm_too_many_sections", "Too many custom sections", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Strip the module."},
		WasmName:             {"wasm_name_too_long", "A name is too long, or there are too many", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Use shorter names for imports, exports and sections, and strip the names for debuggers."},
		CompileLimit:         {"compile_limit", "The module could not be compiled within its limits", http.StatusUnprocessableEntity, ExitRefused, abi.FaultTooLarge, false, "Build a smaller module, with smaller functions; the message names the limit that was reached."},
		GuestStack:           {"guest_stack", "The module's calls are nested too deeply", http.StatusBadGateway, ExitFailure, abi.FaultExhausted, false, "Look for an endless recursion in the module, or raise the connector's stack_words limit."},
		GuestTable:           {"guest_table", "The module asked for too large a table", http.StatusBadGateway, ExitFailure, abi.FaultExhausted, false, "Raise the connector's table_entries limit, or report it to the module's author."},
		GuestOutput:          {"guest_output", "The module answered more than it may", http.StatusBadGateway, ExitFailure, abi.FaultTooLarge, false, "Let the module emit smaller batches, or raise the connector's output_bytes or output_records limit."},
		HostCallLimit:        {"host_call_limit", "The module calls the host too often", http.StatusTooManyRequests, ExitTemporary, abi.FaultExhausted, true, "Let the module call less often, or raise the connector's host_calls_per_second limit."},
		HostBytesLimit:       {"host_bytes_limit", "The module moves too many bytes through the host", http.StatusTooManyRequests, ExitTemporary, abi.FaultExhausted, true, "Let the module move less, or raise the connector's host_bytes_per_second limit."},
		LogLimit:             {"log_limit", "The module logs too much", http.StatusTooManyRequests, ExitTemporary, abi.FaultExhausted, true, "Let the module log less, or raise the connector's log_lines_per_second limit."},
		KVLimit:              {"kv_limit", "The connector's state is full", http.StatusInsufficientStorage, ExitRefused, abi.FaultExhausted, false, "Let the module delete keys, or raise the connector's kv_bytes limit."},
		KVRateLimit:          {"kv_rate_limit", "The module uses its state too often", http.StatusTooManyRequests, ExitTemporary, abi.FaultExhausted, true, "Let the module keep values in its memory, or raise the connector's kv_calls_per_second limit."},
		HTTPLimit:            {"http_limit", "Too many HTTP requests at once", http.StatusTooManyRequests, ExitTemporary, abi.FaultExhausted, true, "Wait for a request to end, or raise the connector's http_in_flight limit."},
		TenantMemory:         {"tenant_memory", "The tenant's memory is used up", http.StatusTooManyRequests, ExitTemporary, abi.FaultExhausted, true, "Stop a connector, lower the memory limits of some, or ask for a higher ceiling."},
		TenantCPU:            {"tenant_cpu", "The tenant's share of the processor is used up", http.StatusTooManyRequests, ExitTemporary, abi.FaultExhausted, true, "Let the modules do less, or ask for a larger share."},
		AboveCeiling:         {"above_ceiling", "A limit is above what the tenant may have", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Lower the named limits, or ask an administrator for a higher ceiling."},
		ConsentRequired:      {"consent_required", "The new module asks for more than the old one", http.StatusConflict, ExitConflict, abi.FaultDenied, false, "Read what it asks for, grant it if you agree, and send its digest as `consent` (command line: --consent)."},
		TypeUnknown:          {"connector_not_found", "No provider of this type", http.StatusNotFound, ExitNotFound, abi.FaultNotFound, false, "`snaprail types` lists what was uploaded; upload a module of this category and provider type."},
		OperationMissing:     {"operation_missing", "Module does not offer its category's operations", http.StatusUnprocessableEntity, ExitRefused, abi.FaultUnsupported, false, "Export op_<name> for each operation that the category asks for; `snaprail categories` lists them."},
		ProviderExists:       {"provider_exists", "Another module has this type and version", http.StatusConflict, ExitConflict, abi.FaultConflict, false, "Raise the version in the manifest and pack again, or delete the module that is named."},
		SecretMissing:        {"secret_missing", "A secret is not set", http.StatusUnprocessableEntity, ExitRefused, abi.FaultNotFound, false, "Set it with `snaprail secret set`."},
		SecretInUse:          {"secret_in_use", "Secret is in use", http.StatusConflict, ExitConflict, abi.FaultConflict, false, "Take it out of the named connectors first."},
		KeyWrong:             {"key_wrong", "Secrets cannot be opened with this key", http.StatusInternalServerError, ExitCorrupt, abi.FaultInternal, false, "Name the key that the secrets were sealed under, with --key-file or SNAPRAIL_KEY_FILE."},
		RoleRequired:         {"role_required", "Your role or token does not allow this", http.StatusForbidden, ExitAuth, abi.FaultDenied, false, "Ask an administrator of the tenant for a higher role, or for a token of wider scope."},
		NotGrantable:         {"not_grantable", "The tenant may not grant this", http.StatusForbidden, ExitAuth, abi.FaultDenied, false, "Ask the operator of the server to widen what the tenant may grant."},
		LoginFailed:          {"login_failed", "Wrong name or password", http.StatusUnauthorized, ExitAuth, abi.FaultUnauthenticated, false, "Check the name, the password and the tenant."},
		LoginDelayed:         {"login_delayed", "Too many failed attempts", http.StatusTooManyRequests, ExitTemporary, abi.FaultExhausted, true, "Wait for as long as Retry-After says."},
		CrossOrigin:          {"cross_origin", "The request comes from another site", http.StatusForbidden, ExitAuth, abi.FaultDenied, false, "Call the API from its own pages, or with a token in the Authorization header."},
		QuotaReached:         {"quota_reached", "The tenant has as many as it may", http.StatusUnprocessableEntity, ExitRefused, abi.FaultExhausted, false, "Delete what is not needed, or ask the operator for a higher quota."},
		RateLimited:          {"rate_limited", "Too many requests", http.StatusTooManyRequests, ExitTemporary, abi.FaultExhausted, true, "Wait for as long as Retry-After says."},
		IdempotencyMismatch:  {"idempotency_mismatch", "The Idempotency-Key was used for another request", http.StatusUnprocessableEntity, ExitRefused, abi.FaultConflict, false, "Take a new key for each new request."},
		IdempotencyBusy:      {"idempotency_busy", "A request with this Idempotency-Key is under way", http.StatusConflict, ExitTemporary, abi.FaultConflict, true, "Wait for the first request to end, then ask again."},
		EgressForbidden:      {"egress_forbidden", "The address may not be reached", http.StatusForbidden, ExitAuth, abi.FaultDenied, false, "Public addresses need a grant for the host; private ones a grant for their network in CIDR form; some may never be reached."},
		PeerTLS:              {"peer_tls", "The peer's certificate was not accepted", http.StatusBadGateway, ExitFailure, abi.FaultUnavailable, false, "Check the peer's certificate, its name and its dates, or name its authority."},
		OAuthState:           {"oauth_state", "The OAuth state is not valid", http.StatusBadRequest, ExitRefused, abi.FaultInvalid, false, "Start the connection again; a state is good once, for ten minutes, for the user who began it."},
		OAuthFailed:          {"oauth_failed", "The authorization server refused", http.StatusBadGateway, ExitFailure, abi.FaultUnauthenticated, false, "Check the client's id and secret and its redirect address, then connect again."},
		DeviceUnknown:        {"device_unknown", "The connector has no such device", http.StatusNotFound, ExitNotFound, abi.FaultNotFound, false, "`snaprail devices` lists those that there are; add this one first."},
		TagExists:            {"tag_exists", "The device has this tag already", http.StatusConflict, ExitConflict, abi.FaultConflict, false, "Change the tag instead of adding it."},
		TagMissing:           {"tag_missing", "The device has no such tag", http.StatusNotFound, ExitNotFound, abi.FaultNotFound, false, "Add the tag first."},
		MessageInvalid:       {"invalid_message", "The message has not the form that it must have", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Send a JSON object, or a list of objects where a reply may have one."},
		NotAQuery:            {"not_a_query", "Nobody waits for a reply to this", http.StatusConflict, ExitConflict, abi.FaultConflict, false, "Reply to a query, an RPC or a command, with the correlation that it came with."},
		LateReply:            {"late_reply", "The reply came after the deadline", http.StatusConflict, ExitConflict, abi.FaultTimeout, false, "Reply before the message's deadline, or ask the caller for a longer one."},
		ReplyEnded:           {"reply_ended", "The question was answered already", http.StatusConflict, ExitConflict, abi.FaultConflict, false, "Send partial replies before the one that completes the answer."},
		SlowReader:           {"slow_reader", "The reader took too long to take what came", http.StatusServiceUnavailable, ExitTemporary, abi.FaultExhausted, true, "Read faster, or ask for less at once."},
		CallCycle:            {"call_cycle", "Connectors call each other in a circle, or too deeply", http.StatusConflict, ExitRefused, abi.FaultConflict, false, "Let no connector call one that is waiting for it; four calls may be nested."},
		Interlocked:          {"interlocked", "The interlock does not let this be written", http.StatusForbidden, ExitAuth, abi.FaultDenied, false, "Write what the grant's interlock allows, or have an administrator override it for a while."},
		ApprovalRequired:     {"approval_required", "Somebody else has to approve this write", http.StatusConflict, ExitConflict, abi.FaultDenied, true, "Ask another operator to approve it: `snaprail writes approve`."},
		DeployFailed:         {"deploy_failed", "The device could not be deployed", http.StatusBadGateway, ExitFailure, abi.FaultUnavailable, false, "Read what was undone and what was left in the deployment, mend the cause and deploy again."},
		HookUnavailable:      {"hook_unavailable", "The connector takes no requests now", http.StatusServiceUnavailable, ExitTemporary, abi.FaultUnavailable, true, "Send it again after Retry-After; look at the connector's status if that does not help."},
		HookRejected:         {"hook_rejected", "The connector rejected the request", http.StatusUnprocessableEntity, ExitRefused, abi.FaultInvalid, false, "Correct the request as the reason says."},
		BodySlow:             {"body_slow", "The body came too slowly", http.StatusRequestTimeout, ExitTemporary, abi.FaultTimeout, true, "Send the body in one go."},
	}
}
