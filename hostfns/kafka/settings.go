package kafka

import (
	"cmp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// settings are the arguments of open, checked.
type settings struct {
	args        abi.KafkaOpen // in canonical form
	key         string
	openTimeout time.Duration
}

// The mechanisms of a login.
const (
	plainText   = "PLAIN"
	scramSHA256 = "SCRAM-SHA-256"
	scramSHA512 = "SCRAM-SHA-512"
)

const (
	maxBrokers     = 16
	maxName        = 255 // bytes of a group or an instance
	defaultTimeout = 10 * time.Second
	maxTimeout     = time.Hour

	startEarliest = "earliest"
	startLatest   = "latest"
)

func (s *settings) resource() string { return resourceOf(s.args.Brokers[0], s.args.Topic) }

func readSettings(args []byte) (*settings, error) {
	s := &settings{}
	a := &s.args
	if err := a.Decode(args); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "kafka.open: the request cannot be read")
	}
	if len(a.Brokers) == 0 || len(a.Brokers) > maxBrokers {
		return nil, fault.New(fault.Invalid, "kafka.open: want one to %d brokers", maxBrokers)
	}
	for i, text := range a.Brokers {
		canonical, err := broker(text)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "kafka.open: the broker %q", fault.Clip(text, 256))
		}
		a.Brokers[i] = canonical
	}
	if err := checkTopic(a.Topic); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "kafka.open: the topic %q", fault.Clip(a.Topic, 256))
	}
	a.Start = cmp.Or(a.Start, startEarliest)
	a.Compression = cmp.Or(a.Compression, "snappy")
	if err := s.check(); err != nil {
		return nil, err
	}
	s.openTimeout = cmp.Or(time.Duration(min(a.OpenTimeoutMS, uint64(maxTimeout.Milliseconds())))*time.Millisecond, defaultTimeout) //nolint:gosec // at most an hour
	a.OpenTimeoutMS = 0                                                                                                             // how long somebody waits for a session makes it no other
	s.key = string(a.Append(nil))
	return s, nil
}

func (s *settings) check() error {
	a := &s.args
	_, known := codecs()[a.Compression]
	switch {
	case len(a.Group) > maxName || len(a.Instance) > maxName:
		return fault.New(fault.Invalid, "kafka.open: the names of a group and an instance have at most %d bytes", maxName)
	case a.Instance != "" && a.Group == "":
		return fault.New(fault.Invalid, "kafka.open: an instance is a member of a group, and none is named")
	case a.Start != startEarliest && a.Start != startLatest:
		return fault.New(fault.Invalid, "kafka.open: the start is earliest or latest, and not %q", fault.Clip(a.Start, 64))
	case !known:
		return fault.New(fault.Invalid, "kafka.open: the compression is none, gzip, snappy, lz4 or zstd, and not %q", fault.Clip(a.Compression, 64))
	case !slices.Contains([]string{"", plainText, scramSHA256, scramSHA512}, a.Mechanism):
		return fault.New(fault.Invalid, "kafka.open: the mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, and not %q", fault.Clip(a.Mechanism, 64))
	case (a.Mechanism == "") != (a.Username == "" && a.Password == ""):
		return fault.New(fault.Invalid, "kafka.open: a login has a mechanism, a user name and a password")
	case a.Mechanism == plainText && !a.TLS && !a.AllowInsecure:
		return fault.New(fault.Invalid, "kafka.open: PLAIN without TLS shows the password to whoever listens").
			WithHint("Use TLS or SCRAM-SHA-512, or set allow_insecure if the network is trusted.")
	case !a.TLS && (a.CA != "" || a.Certificate != "" || a.Key != "" || a.ServerName != ""):
		return fault.New(fault.Invalid, "kafka.open: there are certificates, but TLS is not asked for")
	case (a.Certificate == "") != (a.Key == ""):
		return fault.New(fault.Invalid, "kafka.open: a certificate and its key go together")
	}
	return nil
}

// codecs are the ways to compress, by name.
func codecs() map[string]kgo.CompressionCodec {
	return map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
}
