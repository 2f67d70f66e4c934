package abi

// SecretPrefix starts the name of a secret of the connector where the host fills
// one in: "Bearer secret://token".
const SecretPrefix = "secret://"

// HTTPRequest is the request of snaprail:http request; HTTPResponse is its
// reply. A value that holds SecretPrefix and a name gets that secret from the
// host, and the guest never sees it: in the values of headers, in Username and
// Password, and as the whole of a field of TLS.
type HTTPRequest struct {
	Method       string // empty: GET
	URL          string // absolute, http or https, without user and fragment
	Headers      []Header
	Body         []byte
	TimeoutMS    uint64  // of one attempt; 0: 3000
	Retries      uint32  // after the first attempt, of what is safe to repeat
	RetryDelayMS *uint64 // nil: 500
	Username     string  // with Password: basic authentication
	Password     string
	Redirects    *uint32 // to follow; nil: 3, which is the most
	MaxBody      uint64  // bytes of the reply's body; 0: as many as the host allows
	TLS          *HTTPTLS
}

// HTTPTLS is what a request asks of TLS beyond the system's ways, in PEM.
type HTTPTLS struct {
	CA          string // authorities beside the system's
	Certificate string // the client's, with its chain
	Key         string
	ServerName  string // to expect; empty: the URL's host
}

// HTTPResponse is what the peer answered.
type HTTPResponse struct {
	Status   uint32
	Headers  []Header
	URL      string // that answered, after redirects
	Attempts uint32
	Body     []byte // its beginning, decoded
	Rest     uint64 // bytes that wait for read, until the next request
}

// HTTPRead is the request of snaprail:http read; HTTPPiece is its reply.
type HTTPRead struct {
	Max uint32
}

// HTTPPiece is the next piece of the body of the last request.
type HTTPPiece struct {
	Data []byte
	Rest uint64 // bytes that still wait
}
