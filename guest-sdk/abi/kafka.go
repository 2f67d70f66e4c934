package abi

// KafkaOpen is the request of snaprail:kafka open; Handle is its reply. Username,
// Password and the fields in PEM may be a secret of the connector, named with
// SecretPrefix, which the guest never sees.
type KafkaOpen struct {
	Brokers []string // host:port of those to ask first; port 9092 may be left out
	Topic   string
	// Group is the consumer group to read the topic in; empty: it is not read.
	Group string
	// Start is where a group without offsets begins: earliest (also when it is
	// empty) or latest.
	Start string

	TLS         bool
	CA          string // PEM, beside the system's authorities
	Certificate string // the client's, PEM, with Key
	Key         string
	ServerName  string // to expect; empty: the broker's host

	Mechanism string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty: no login
	Username  string
	Password  string
	// AllowInsecure permits PLAIN without TLS, where the password can be read on
	// the way.
	AllowInsecure bool

	ReadUncommitted bool   // also records of transactions that are open or were aborted
	Instance        string // the member's own name in its group (static membership)
	Compression     string // none, gzip, snappy, lz4 or zstd; empty: snappy
	OpenTimeoutMS   uint64 // until a broker answers; 0: 10 s
}

// KafkaNoTopic is the finer code of an Error of FaultDenied when no grant covers any topic of
// the first broker; without it, one covers others than that which was asked for.
const KafkaNoTopic = "no_topic_granted"

// KafkaRecord is a record of a topic: to produce, or the data of an EventData of
// a session with a group, where a nil Value is a deletion.
type KafkaRecord struct {
	Topic     string
	Partition uint32
	Offset    uint64
	Time      int64 // unix ns, of which Kafka keeps milliseconds; 0, to produce: now
	Key       []byte
	Value     []byte
	Headers   []Header
	// Pinned, of a record to produce: it goes to Partition, and not to the one
	// that its key chooses.
	Pinned bool
	// ID, of a record to produce, names it. While a record of this ID is under way,
	// or nobody has heard of its end, another is not sent, and gets its result:
	// however the records are put together in calls.
	ID string
	// TopicID, of a record that was read, is that of its topic: one that is deleted
	// and made again has another, and its offsets begin anew. Empty: the cluster has
	// none.
	TopicID string
	// Form, of a record to produce, is the number of one of the request's Forms, from 1
	// on; 0: it has none.
	Form uint32
}

// KafkaForm is what many records of a request have in common. It is said once, and
// takes MaxKafkaForm bytes at most.
type KafkaForm struct {
	Key     []byte   // of records without a key
	Headers []Header // behind the records' own
	// IDHeader is the name of a header before those, which holds the record's ID; empty:
	// there is none.
	IDHeader string
}

// MaxKafkaForm bounds an encoded KafkaForm, which the host writes with each record.
const MaxKafkaForm = 16 << 10

// KafkaProduce is the request of snaprail:kafka produce; KafkaProduced is its
// reply, once all replicas have the records. Topic and Offset are ignored.
type KafkaProduce struct {
	Handle  uint32
	Records []KafkaRecord
	// ID names those of the records that have none: by it and by their place in the
	// batch. A second call with the ID of one that is under way, or whose end nobody
	// has heard of, sends nothing and answers for the first.
	ID        string
	TimeoutMS uint64 // 0: as long as the call may take
	// Later answers a ticket at once, for the answer of deliver. Each record has an ID:
	// who has to wait for it after all asks again by that. While one of them has not
	// been sent, or did not end well, nothing that comes behind it is sent.
	Later bool
	Forms []KafkaForm // MaxItems at most
}

// KafkaProduced has a result for each record, in the order of the request; or, of
// one that is for later, the number of its ticket.
type KafkaProduced struct {
	Results []KafkaResult
	Ticket  uint64
}

// KafkaResult is where a record is now; or, with a Code, why it is not there.
type KafkaResult struct {
	Partition uint32
	Offset    uint64
	Code      string // Kafka's name of an error, as in MESSAGE_TOO_LARGE
	Text      string
	Retry     bool // another attempt may succeed
}

// KafkaEnsure is the request of snaprail:kafka ensure: make the topic unless it
// is there; and of topic, which makes none, and of which the handle alone counts.
// KafkaEnsured is the reply of both.
type KafkaEnsure struct {
	Handle      uint32
	Partitions  uint32 // 0: the broker's default
	Replication uint32 // 0: the broker's default
	Configs     []Header
}

// KafkaEnsured says what is there now.
type KafkaEnsured struct {
	Created    bool
	Partitions uint32
}

// KafkaDelete is the request of snaprail:kafka delete: of the topic with all that
// it holds, whose name is said once more. KafkaDeleted is its reply.
type KafkaDelete struct {
	Handle uint32
	Topic  string
}

// KafkaDeleted says whether there was one.
type KafkaDeleted struct {
	Deleted bool
}
