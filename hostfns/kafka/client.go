package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of a client. The library's defaults are for programs that have a
// machine to themselves.
const (
	maxFetch        = 2 << 20        // bytes of one fetch, compressed
	maxDecompressed = 16 << 20       // bytes of one batch
	maxMessage      = 2 * maxFetched // bytes of any answer once nothing in it is compressed
	fetches         = 2              // at a time
	fetchWait       = 500 * time.Millisecond
	linger          = time.Millisecond // ended by launch, once it has handed over what a call brings
	requestRetries  = 2
	requestTime     = 5 * time.Second
	leastMetadata   = 250 * time.Millisecond
	mostMetadata    = 10 * time.Second
	deliveryTime    = 2 * time.Minute  // that a record is tried for: without it, for ever
	sessionTime     = 10 * time.Second // after which a member that was killed is given up
	rebalanceTime   = 30 * time.Second
	beat            = 3 * time.Second
	noTopicTime     = 365 * 24 * time.Hour // a topic that is gone may come back
)

// newClient makes a client. It does not connect yet. giveUp ends whatever it
// waits for: a broker may keep it waiting for long.
func (s *session) newClient() (made *kgo.Client, giveUp context.CancelFunc, err error) {
	a := &s.set.args
	life, giveUp := context.WithCancel(context.WithoutCancel(s.quit))
	opts := []kgo.Opt{
		kgo.WithContext(life), kgo.SeedBrokers(a.Brokers...), kgo.ClientID("snaprail"), kgo.Dialer(s.dialer.dial), kgo.DisableClientMetrics(),
		kgo.MetadataMinAge(leastMetadata), kgo.MetadataMaxAge(mostMetadata), kgo.RequestTimeoutOverhead(requestTime),
		// What goes on failing is told, and tried again by whoever asked: the library
		// would keep its reason until time is up.
		kgo.RequestRetries(requestRetries),
		kgo.RetryBackoffFn(s.backoff), kgo.ConsiderMissingTopicDeletedAfter(noTopicTime),
		kgo.BrokerMaxReadBytes(maxMessage), kgo.MaxDecompressBatchBytes(maxDecompressed),
		kgo.FetchMaxBytes(maxFetch), kgo.FetchMaxPartitionBytes(maxFetch / 4), kgo.MaxConcurrentFetches(fetches), kgo.FetchMaxWait(fetchWait),

		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(partitioner{kgo.StickyKeyPartitioner(nil)}),
		kgo.ProducerBatchCompression(codecs()[a.Compression], kgo.NoCompression()), kgo.ProducerLinger(linger),
		kgo.MaxBufferedRecords(2 * s.flights.maxRecords), // ours is the bound: it takes a batch whole, or not at all
	}
	if s.login.mechanism != nil {
		opts = append(opts, kgo.SASL(s.login.mechanism))
	}
	if s.reads() {
		opts = append(opts, s.groupOptions()...)
	}
	c, err := kgo.NewClient(opts...)
	if err != nil {
		giveUp()
		return nil, nil, fault.Wrap(fault.Invalid, err, "kafka.open")
	}
	if unpack, ok := c.OptValue(kgo.WithDecompressor).(kgo.Decompressor); ok {
		s.dialer.guard.unpack.Store(&unpack)
	}
	return c, giveUp, nil
}

func (s *session) groupOptions() []kgo.Opt {
	a := &s.set.args
	start, isolation := kgo.NewOffset().AtStart(), kgo.ReadCommitted()
	if a.Start == startLatest {
		start = kgo.NewOffset().AtEnd()
	}
	if a.ReadUncommitted {
		isolation = kgo.ReadUncommitted()
	}
	opts := []kgo.Opt{
		kgo.ConsumerGroup(a.Group), kgo.ConsumeTopics(a.Topic), kgo.FetchIsolationLevel(isolation),
		kgo.ConsumeStartOffset(start),
		// What is gone is gone, but nothing that is there is skipped.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// The library would commit what was polled, and not what is safe.
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(s.assigned), kgo.OnPartitionsRevoked(s.revoked), kgo.OnPartitionsLost(s.lost),
		kgo.OnOffsetsFetched(s.fetched),
		kgo.SessionTimeout(sessionTime), kgo.RebalanceTimeout(rebalanceTime), kgo.HeartbeatInterval(beat),
	}
	if a.Instance != "" {
		opts = append(opts, kgo.InstanceID(a.Instance))
	}
	return opts
}

// backoff is the wait before an attempt.
func (s *session) backoff(attempt int) time.Duration {
	return min(100*time.Millisecond<<min(attempt, 10), s.pace.retry)
}

// partitioner sends a record to the partition that it is pinned to, if it is.
type partitioner struct{ kgo.Partitioner }

// unpinned is the partition of a record whose key chooses.
const unpinned = -1

func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return &topicPartitioner{p.Partitioner.ForTopic(topic)}
}

type topicPartitioner struct{ kgo.TopicPartitioner }

func (p *topicPartitioner) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition != unpinned || p.TopicPartitioner.RequiresConsistency(r)
}

func (p *topicPartitioner) Partition(r *kgo.Record, n int) int {
	if r.Partition != unpinned {
		return int(r.Partition)
	}
	return p.TopicPartitioner.Partition(r, n)
}

func (p *topicPartitioner) OnNewBatch() {
	if inner, ok := p.TopicPartitioner.(kgo.TopicPartitionerOnNewBatch); ok {
		inner.OnNewBatch()
	}
}
