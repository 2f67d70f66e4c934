package kafka

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// emptyRecord is the shortest that there is, in seven bytes.
func emptyRecord() []byte { return []byte{12, 0, 0, 0, 1, 1, 0} }

// batchOf is a batch as it is on the wire, which claims to hold n records.
func batchOf(t *testing.T, raw []byte, n int, codec kgo.CompressionCodec) []byte {
	t.Helper()
	c, err := kgo.DefaultCompressor(codec)
	if err != nil {
		t.Fatal(err)
	}
	kind := kgo.CodecNone
	if c != nil {
		raw, kind = c.Compress(new(bytes.Buffer), raw)
	}
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: int16(kind), LastOffsetDelta: int32(n - 1), FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(n), Records: raw,
	}
	list := b.AppendTo(nil)
	binary.BigEndian.PutUint32(list[8:], uint32(len(list)-12))
	binary.BigEndian.PutUint32(list[17:], crc32.Checksum(list[21:], castagnoli()))
	return list
}

// store puts batches into a partition as they are.
func (r *rig) store(partition int32, batches ...[]byte) {
	r.t.Helper()
	meta := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = new(topic)
	meta.Topics = append(meta.Topics, asked)
	known, err := meta.RequestWith(r.t.Context(), r.own())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, b := range batches {
		q := kmsg.NewPtrProduceRequest()
		q.Acks, q.TimeoutMillis = -1, 5000
		to := kmsg.NewProduceRequestTopic()
		to.Topic, to.TopicID = topic, known.Topics[0].TopicID
		to.Partitions = []kmsg.ProduceRequestTopicPartition{{Partition: partition, Records: b}}
		q.Topics = append(q.Topics, to)
		for _, part := range r.own().RequestSharded(r.t.Context(), q) {
			if part.Err != nil {
				r.t.Fatal(part.Err)
			}
			if code := part.Resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode; code != 0 {
				r.t.Fatal("code", code)
			}
		}
	}
}

// heap watches how much memory is in use at most, until it is asked.
func heap() (most func() uint64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, peak := m.HeapInuse, m.HeapInuse
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.Tick(10 * time.Millisecond); ; {
			select {
			case <-tick:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			case <-end:
				return
			}
		}
	}()
	return func() uint64 {
		close(end)
		<-ended
		return (peak - before) >> 20
	}
}

// Few bytes that become many take no more memory than others, are told of, and
// passed over for good.
func TestABatchThatIsTooLargeIsPassedOver(t *testing.T) {
	const n = 1 << 20
	for name, codec := range codecs() {
		if name == "none" { // no broker takes it: so many bytes are more than a batch may have
			continue
		}
		t.Run(name, func(t *testing.T) {
			r := cluster(t)
			bomb := batchOf(t, bytes.Repeat(emptyRecord(), n), n, codec)
			wide := append(binary.AppendVarint([]byte{0, 0, 0, 1}, maxDecompressed), make([]byte, maxDecompressed+1)...)
			big := batchOf(t, append(binary.AppendVarint(nil, int64(len(wide))), wide...), 1, codec)
			r.send(0, "before")
			r.store(0, bomb, big, bomb)
			r.send(0, "after")
			most := heap()
			end := r.opened(group(), r.args(inGroup("g")))
			got := taken(t, end, 5)
			if peak := most(); peak > 128 {
				t.Errorf("%d bytes took %d MiB", 2*len(bomb)+len(big), peak)
			}
			gap := " gap:" + gapTooLarge
			if told(t, got) != "before"+gap+gap+gap+" after" || !strings.Contains(got[1].Err.Error(), fmt.Sprintf("offsets 1 to %d", n)) {
				t.Errorf("got %s, %v", told(t, got), got[1].Err)
			}
			if c := end.(capability.Reporter).Condition(); c.Dropped != 3 || c.Counts["dropped_record_too_large"] != 3 {
				t.Errorf("%+v", c)
			}
			end.(capability.Source).Ack(4)
			eventually(t, "they are behind", func() bool { return r.committed("g", 0) == 2*n+2 })
		})
	}
}

// What real producers send at most comes whole, also if the tenant's room for it
// is taken for a while; and the room is given back.
func TestALargeBatchComesWhole(t *testing.T) {
	r := cluster(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "16000000", "max.message.bytes": "16000000"}))
	const n = 100_000
	var raw []byte
	for i := range n {
		record := binary.AppendVarint([]byte{0, 0}, int64(i))
		record = append(record, 1) // no key
		value := fmt.Sprintf(`{"device":"press-17","signal":"temperature_c","value":%d.25,"quality":"good","unit":"C"}`, i)
		record = append(binary.AppendVarint(record, int64(len(value))), value...)
		record = append(record, 0)
		raw = append(binary.AppendVarint(raw, int64(len(record))), record...)
	}
	r.store(1, batchOf(t, raw, n, kgo.ZstdCompression()))
	p := &purse{}
	p.full.Store(true)
	scope := capability.Scope{Grants: r.grants(), Purse: p}
	end, err := group().Open(t.Context(), scope, r.args(inGroup("g")).Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	r.send(0, "small") // it does not wait for the other
	if got := taken(t, end, 1); told(t, got) != "small" {
		t.Fatal(told(t, got))
	}
	end.(capability.Source).Ack(1)
	eventually(t, "it was refused", func() bool { return p.refused.Load() > 0 })
	p.full.Store(false)
	for at := uint64(0); at < n; {
		for _, e := range taken(t, end, 1) {
			if m := record(t, e); m.Offset != at || !bytes.Contains(m.Value, fmt.Appendf(nil, ":%d.25", at)) {
				t.Fatalf("record %d, want %d: %s", m.Offset, at, m.Value)
			}
			at++
		}
		more := end.(capability.Source).Take(nil, 1000, 1<<20)
		for _, e := range more {
			if m := record(t, e); m.Offset != at {
				t.Fatalf("record %d, want %d", m.Offset, at)
			}
			at++
		}
		end.(capability.Source).Ack(1 + len(more))
	}
	if p.held.Load() == 0 && p.taken.Load() == 0 {
		t.Error("nothing was taken from the purse")
	}
	closeSession(t, end)
	if held := p.held.Load(); held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
	end, err = group().Open(t.Context(), capability.Scope{Grants: r.grants()}, r.args(inGroup("without a purse")).Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	taken(t, end, 2)
	closeSession(t, end)
}

type purse struct {
	capability.Purse

	full                 atomic.Bool
	held, taken, refused atomic.Int64
}

func (p *purse) Hold(n int64) error {
	if n > 0 && p.full.Load() {
		p.refused.Add(1)
		return fault.New(fault.Exhausted, "no room")
	}
	p.held.Add(n)
	p.taken.Add(max(0, n))
	return nil
}

// sifted is what is left of an answer to Fetch in a version.
func sifted(t *testing.T, s *sieve, version int16, partitions ...[]byte) *kmsg.FetchResponse {
	t.Helper()
	from := fetchedOf(version, partitions...)
	out, err := s.fetched(from, version)
	if err != nil {
		t.Fatalf("version %d: %v", version, err)
	}
	if size := int(binary.BigEndian.Uint32(out)); size != len(out)-4 {
		t.Fatalf("version %d: it says %d bytes, of %d", version, size, len(out)-4)
	}
	body := out[8:]
	resp := kmsg.NewPtrFetchResponse()
	if resp.SetVersion(version); resp.IsFlexible() {
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		t.Fatalf("version %d: %v", version, err)
	}
	return resp
}

func fetchedOf(version int16, partitions ...[]byte) []byte {
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(version)
	resp.ThrottleMillis, resp.SessionID = 7, 8
	to := kmsg.NewFetchResponseTopic()
	to.Topic, to.TopicID = topic, [16]byte{1, 2}
	for i, records := range partitions {
		p := kmsg.NewFetchResponseTopicPartition()
		p.Partition, p.HighWatermark, p.LastStableOffset, p.LogStartOffset, p.RecordBatches = int32(i), 11, 12, 13, records
		p.AbortedTransactions = append(p.AbortedTransactions, kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: 3, FirstOffset: 4})
		p.CurrentLeader.LeaderID = 5
		to.Partitions = append(to.Partitions, p)
	}
	resp.Topics = append(resp.Topics, to)
	resp.Brokers = append(resp.Brokers, kmsg.FetchResponseBroker{NodeID: 5, Host: "there", Port: 9})
	frame := []byte{0, 0, 0, 0, 0, 0, 0, 9}
	if resp.IsFlexible() {
		frame = append(frame, 0)
	}
	frame = resp.AppendTo(frame)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}

func testGuard(t testing.TB) *guard {
	t.Helper()
	g := &guard{log: slog.New(slog.DiscardHandler)}
	unpack := kgo.DefaultDecompressor()
	g.unpack.Store(&unpack)
	return g
}

func TestSieveKeepsWhatIsNotTooMuch(t *testing.T) {
	record := emptyRecord()
	for version := int16(4); version <= kmsg.NewPtrFetchResponse().MaxVersion(); version++ {
		plain, packed := batchOf(t, record, 1, kgo.NoCompression()), batchOf(t, record, 1, kgo.GzipCompression())
		cut := plain[:len(plain)-1]
		resp := sifted(t, &sieve{guard: testGuard(t), left: freeCost}, version, append(bytes.Clone(plain), cut...), nil, packed)
		parts := resp.Topics[0].Partitions
		if len(parts) != 3 || !bytes.Equal(parts[0].RecordBatches, plain) || len(parts[1].RecordBatches) != 0 {
			t.Fatalf("version %d: %+v", version, resp)
		}
		for i, p := range parts {
			if int(p.Partition) != i || p.HighWatermark != 11 || len(p.AbortedTransactions) != 1 || version >= 12 && p.CurrentLeader.LeaderID != 5 {
				t.Errorf("version %d: %+v", version, p)
			}
		}
		got, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Topic: topic}, &parts[2], nil, nil)
		if got.Err != nil || len(got.Records) != 1 || next != 1 {
			t.Errorf("version %d: %v, next %d", version, got, next)
		}
		if version >= 16 && (len(resp.Brokers) != 1 || resp.Brokers[0].Host != "there") {
			t.Errorf("version %d: %+v", version, resp.Brokers)
		}
	}
}

// What is more than one answer may hold comes with the next ones.
func TestSieveLeavesTheRestForLater(t *testing.T) {
	const n = 30_000
	b := batchOf(t, bytes.Repeat(emptyRecord(), n), n, kgo.NoCompression())
	resp := sifted(t, &sieve{guard: testGuard(t), left: freeCost}, 13, bytes.Repeat(b, 3), b)
	if parts := resp.Topics[0].Partitions; len(parts[0].RecordBatches) != len(b) || len(parts[1].RecordBatches) != 0 {
		t.Errorf("%d and %d bytes of %d", len(parts[0].RecordBatches), len(parts[1].RecordBatches), len(b))
	}
}

// A batch may claim as many records as it has bytes, and as many headers.
func TestSieveCountsWhatIsClaimed(t *testing.T) {
	claims := batchOf(t, make([]byte, 1<<20), 1<<30, kgo.NoCompression())
	var headers []byte
	headers = append(headers, 0, 0, 0, 1, 1)
	headers = binary.AppendVarint(headers, 1<<20)
	headers = append(headers, make([]byte, 1<<20)...)
	headers = append(binary.AppendVarint(nil, int64(len(headers))), headers...)
	for _, b := range [][]byte{claims, batchOf(t, headers, 1, kgo.NoCompression())} {
		resp := sifted(t, &sieve{guard: testGuard(t), left: freeCost}, 13, b)
		got, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Topic: topic}, &resp.Topics[0].Partitions[0], nil, nil)
		last := int64(int32(binary.BigEndian.Uint32(b[23:])))
		if len(got.Records) != 1 || got.Records[0].ProducerID != passedOver || got.Records[0].Offset != last || next != last+1 {
			t.Errorf("got %+v, next %d", got, next)
		}
	}
}

// A broker cannot make a record that looks as if the host had passed over it.
func TestSieveKnowsItsOwnMarks(t *testing.T) {
	b := appendMarker(nil, batchOf(t, emptyRecord(), 1, kgo.NoCompression()))
	resp := sifted(t, &sieve{guard: testGuard(t), left: freeCost}, 13, b)
	got, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Topic: topic}, &resp.Topics[0].Partitions[0], nil, nil)
	if len(got.Records) != 1 || got.Records[0].ProducerID != -1 {
		t.Errorf("got %+v", got)
	}
}

// Lists that claim more than is there, or are longer than anybody has them, are
// refused before the library makes room for them.
func TestAnswersThatClaimTooMuch(t *testing.T) {
	for version := int16(4); version <= kmsg.NewPtrMetadataResponse().MaxVersion(); version++ {
		for partitions, refused := range map[int]bool{3: false, maxPartitions: false, maxPartitions + 1: true} {
			resp := kmsg.NewPtrMetadataResponse()
			resp.SetVersion(version)
			resp.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 1, Host: "there", Port: 9}}
			resp.Topics = []kmsg.MetadataResponseTopic{{Topic: new(topic), Partitions: make([]kmsg.MetadataResponseTopicPartition, partitions)}}
			resp.Topics[0].Partitions[0].Replicas = []int32{1, 2}
			body := make([]byte, 4)
			if resp.IsFlexible() {
				body = append(body, 0)
			}
			if err := checkMetadata(resp.AppendTo(body), version); (err != nil) != refused {
				t.Errorf("version %d, %d partitions: %v", version, partitions, err)
			}
		}
	}
	frame := fetchedOf(12, nil)
	at := bytes.Index(frame, []byte(topic)) + len(topic) // how many partitions
	frame = append(append(bytes.Clone(frame[:at]), 0xff, 0xff, 0x03), frame[at+1:]...)
	if _, err := (&sieve{guard: testGuard(t)}).fetched(append(frame, make([]byte, 1<<17)...), 12); err == nil {
		t.Error("65,534 partitions are taken")
	}
}

// An answer is as long as what was asked for can be.
func TestAnAnswerThatIsTooLong(t *testing.T) {
	ours, theirs := net.Pipe()
	w := testGuard(t).wrap(ours)
	defer func() { _ = w.Close() }()
	go func() {
		defer func() { _ = theirs.Close() }()
		_, _ = io.CopyN(io.Discard, theirs, 14)
		head := binary.BigEndian.AppendUint32(nil, maxAnswer+1)
		_, _ = theirs.Write(append(head, 0, 0, 0, 77))
	}()
	q := append(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 10, 0, byte(kmsg.JoinGroup), 0, 5}, 77), 0, 0)
	if _, err := w.Write(q); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Read(make([]byte, 4)); !fault.Is(err, fault.TooLarge) || !strings.Contains(err.Error(), "JoinGroup") {
		t.Errorf("got %v", err)
	}
}

// FuzzAnswers: no answer makes more of itself than it may.
func FuzzAnswers(f *testing.F) {
	for version := int16(4); version <= 17; version++ {
		f.Add(version, fetchedOf(version, []byte("no batch"), nil))
	}
	f.Fuzz(func(t *testing.T, version int16, frame []byte) {
		if version < 0 || version > 18 || len(frame) < 8 {
			return
		}
		_ = checkMetadata(frame[4:], version)
		out, err := (&sieve{guard: testGuard(t), left: freeCost}).fetched(frame, version)
		if err != nil {
			return
		}
		if size := int(binary.BigEndian.Uint32(out)); size != len(out)-4 || len(out) > len(frame)+freeCost+batchCost {
			t.Errorf("version %d: %d bytes of %d, it says %d", version, len(out), len(frame), size)
		}
	})
}

// A topic with more partitions than anybody has is told of, and not taken in.
func TestATopicOfTooManyPartitions(t *testing.T) {
	r := cluster(t, kfake.SeedTopics(maxPartitions+1, "wide"))
	err := r.try(r.args(func(a *abi.KafkaOpen) { a.Topic = "wide" }), capability.Scope{Grants: r.grants()})
	if !fault.Is(err, fault.TooLarge) || !strings.Contains(err.Error(), "10000 partitions") {
		t.Errorf("got %v", err)
	}
}

// What a broker says at length is told in short.
func TestABrokerOfManyWords(t *testing.T) {
	r := cluster(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "u", "p"))
	r.cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(q kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		resp := q.(*kmsg.SASLAuthenticateRequest).ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.SASLAuthBytes = []byte(strings.Repeat("no", 20_000) + ",b,c")
		return resp, nil, true
	})
	err := r.try(r.args(func(a *abi.KafkaOpen) {
		a.Mechanism, a.Username, a.Password, a.AllowInsecure, a.OpenTimeoutMS = "SCRAM-SHA-256", "u", strings.Repeat("p", 8), true, 500
	}), capability.Scope{Grants: r.grants()})
	if f := fault.Of(err); err == nil || len(f.Text) > maxFault+8 {
		t.Errorf("%d bytes: %s", len(f.Text), fault.Clip(f.Text, 200))
	}
}
