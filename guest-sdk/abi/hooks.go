package abi

// HookOpen is the request of snaprail:hooks open; Handle is its reply. The session
// takes the HTTP requests that come to these paths of the connector, each as the
// data of an EventData, a HookRequest. Secret, Username and Password may be a
// secret of the connector, named with SecretPrefix, which the guest never sees.
type HookOpen struct {
	// Paths are patterns of paths below the connector's address: "/orders/*", where
	// a star is one part, or two at the end are all the rest.
	Paths   []string
	Methods []string // empty: POST

	// Auth is how a caller proves who it is: none (also when it is empty), hmac,
	// bearer or basic.
	Auth     string
	Secret   string // the key of hmac, or the token of bearer
	Username string // of basic
	Password string
	// Header holds the signature, or the token; empty: X-Signature, or
	// Authorization.
	Header    string
	Algorithm string // of hmac: sha1, sha256 (also when it is empty) or sha512
	Encoding  string // of the signature: hex (also when it is empty) or base64
	Prefix    string // of the signature, as in "sha256="
	// Field is set where Header is a list of name=value, as Stripe's is: the name
	// that the signature has in it.
	Field string
	// Signed is what is signed, with {body}, {timestamp} and {header:NAME} in it;
	// empty: the body.
	Signed string
	// Timestamp names the header, or with Field the name in it, that says when the
	// request was signed, in unix seconds. Tolerance is how far that may be off.
	Timestamp   string
	ToleranceMS uint64 // 0: five minutes

	ContentTypes []string // that are taken; empty: any
	MaxBody      uint64   // bytes; 0: 256 KiB
	// IDHeaders name headers that name a request; the first that is there counts. A
	// request that comes again under its name is answered as before and not handed
	// in again. Empty: Idempotency-Key. The host knows the newest names, and signatures,
	// until it is restarted: a request that was taken before may then come once more.
	// Records that have its key for their source key are dropped all the same.
	IDHeaders []string
	// Reply is who answers: accepted (also when it is empty), the host with 202 when
	// the step is durable; or guest, with HookReply within that step.
	Reply     string
	TimeoutMS uint64 // until the caller is answered; 0: 10 s
	Queue     uint32 // requests that may wait; 0: 256
	Rate      uint32 // requests a second; 0: 500
}

// HookRequest is a request that came in, and was allowed to.
type HookRequest struct {
	ID      uint64 // for HookReply
	Method  string
	Path    string // below the connector's address, decoded; begins with a slash
	Query   string // as it was sent
	Headers []Header
	Body    []byte
	Remote  string // where from: loopback, private or public
	Key     string // what IDHeaders name; empty: nothing
	Pattern string // of HookOpen.Paths
}

// HookReply is the request of snaprail:hooks reply: what the caller is to be
// answered once the step is durable. The reply is empty.
type HookReply struct {
	Handle  uint32
	ID      uint64
	Status  uint32 // 0: 200
	Headers []Header
	Body    []byte
}
