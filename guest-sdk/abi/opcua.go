package abi

// OPCUAOpen is the request of snaprail:opcua open; Handle is its reply. The
// fields that hold secrets or PEM may name a secret of the connector with
// SecretPrefix, and the guest never sees it.
type OPCUAOpen struct {
	Endpoint string // opc.tcp://host:port/path
	// Policy is None, Basic128Rsa15, Basic256, Basic256Sha256,
	// Aes128_Sha256_RsaOaep or Aes256_Sha256_RsaPss; empty: the best offered.
	Policy string
	Mode   string // None, Sign or SignAndEncrypt; empty: the best offered
	// AllowInsecure permits the policy None and the policies that are broken.
	AllowInsecure bool

	Username        string // with Password; all four empty: anonymous
	Password        string
	UserCertificate string // PEM, with UserKey
	UserKey         string

	Certificate string // the client's own, PEM, with Key; empty: made by the host
	Key         string
	// ServerCertificate is the server's, in PEM, or its SHA-256 in hex; empty:
	// whatever it shows at the first connection, and nothing else from then on.
	ServerCertificate string

	OpenTimeoutMS    uint64 // until the first connection; 0: 10 s
	OpenRetryMS      uint64 // between attempts; 0: 500 ms
	SessionTimeoutMS uint64 // asked of the server; 0: 60 s
}

// OPCUAInfo is the reply of snaprail:opcua info to a Handle.
type OPCUAInfo struct {
	Policy            string // in use
	Mode              string
	ServerCertificate string // PEM
	ServerFingerprint string // SHA-256 in hex
	Certificate       string // the client's, PEM: what to trust at the server
	Fingerprint       string
	ApplicationURI    string
	Namespaces        []OPCUAText // by index
	Up                bool
	Reason            string // why it is not up
}

// OPCUAText is a text in a list.
type OPCUAText struct {
	Text string
}

// OPCUANode is an attribute of a node, in the notation of the standard:
// ns=2;s=Boiler.Temperature.
type OPCUANode struct {
	Node      string
	Attribute uint32 // 0: the value
	Range     string // of an array, "1:3"
}

// OPCUARead is the request of snaprail:opcua read; OPCUAValues is its reply, in
// the order of the nodes.
type OPCUARead struct {
	Handle   uint32
	Nodes    []OPCUANode
	MaxAgeMS uint64
}

// OPCUAValue is a value as the server gave it: nothing is converted, so that
// nothing is lost.
type OPCUAValue struct {
	Item        uint32 // of a subscription
	Status      uint32 // all 32 bits; 0: good
	Variant     []byte // in the binary encoding of OPC UA; empty: none
	SourceTicks uint64 // 100 ns since 1601-01-01 UTC; 0: none
	SourcePico  uint32 // on top of it, in units of 10 ps
	ServerTicks uint64
	ServerPico  uint32
}

// OPCUAValues is a list of values: the reply of read, and the data of an
// EventData of a session, where Subscription names where it comes from.
type OPCUAValues struct {
	Subscription string
	Values       []OPCUAValue
}

// OPCUAWriteValue is one value to write. Its times are sent if they are set.
type OPCUAWriteValue struct {
	Node      string
	Attribute uint32 // 0: the value
	Range     string
	Value     *OPCUAValue
}

// OPCUAWrite is the request of snaprail:opcua write; OPCUAStatuses is its reply.
type OPCUAWrite struct {
	Handle uint32
	Values []OPCUAWriteValue
}

// OPCUAStatus is a status code of the standard; 0: good.
type OPCUAStatus struct {
	Code uint32
}

// OPCUAStatuses has one status for each item of the request, in its order.
type OPCUAStatuses struct {
	Statuses []OPCUAStatus
}

// OPCUABrowse is the request of snaprail:opcua browse; OPCUABrowsePage is its
// reply. With a Cursor it asks for the next page of a browse that is under way,
// and the fields in between are ignored.
type OPCUABrowse struct {
	Handle        uint32
	Node          string // empty: Objects
	Direction     uint32 // 0 forward, 1 inverse, 2 both
	ReferenceType string // empty: hierarchical references
	NoSubtypes    bool
	Classes       uint32 // a mask of node classes; 0: all
	Max           uint32 // of a page; 0: 256, which is the most
	Cursor        uint64
}

// OPCUABrowsePage is a page of references.
type OPCUABrowsePage struct {
	Status     uint32
	References []OPCUAReference
	Cursor     uint64 // 0: that was all
}

// OPCUAReference is a reference from the node that was browsed.
type OPCUAReference struct {
	ReferenceType   string
	Forward         bool
	Node            string // may begin with svr= and nsu=
	BrowseNamespace uint32
	BrowseName      string
	DisplayName     string
	Locale          string // of DisplayName
	Class           uint32 // 1 object, 2 variable, 4 method, ...
	TypeDefinition  string
}

// OPCUAVariant is a value in the binary encoding of OPC UA.
type OPCUAVariant struct {
	Variant []byte
}

// OPCUACall is the request of snaprail:opcua call; OPCUACallResult is its reply.
type OPCUACall struct {
	Handle    uint32
	Object    string
	Method    string
	Arguments []OPCUAVariant
}

// OPCUACallResult is what a method answered.
type OPCUACallResult struct {
	Status  uint32
	Inputs  []OPCUAStatus // of the arguments; none: nothing is wrong with them
	Outputs []OPCUAVariant
}

// OPCUAItem is what to watch.
type OPCUAItem struct {
	ID            uint32 // the guest's own, in every value
	Node          string
	Attribute     uint32 // 0: the value
	Range         string
	SamplingMS    *float64 // nil: as often as is published; 0: as fast as can be
	Queue         uint32   // 0: 16
	DiscardNewest bool
	Trigger       uint32 // 0: status or value, 1: status, 2: also the source time
	Deadband      uint32 // 0: none, 1: absolute, 2: percent of the range
	DeadbandValue float64
}

// OPCUASubscribe is the request of snaprail:opcua subscribe; OPCUAStatuses, one
// for each item, is its reply. It says what the subscription of this name is to
// be from now on: the host makes it so at the server, and makes it so again
// whenever the connection was lost. Items stay when they are the same as before.
type OPCUASubscribe struct {
	Handle     uint32
	Name       string
	IntervalMS float64 // of publishing; 0: 1000
	Items      []OPCUAItem
	Remove     bool
}
