package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/runtime/capability"
)

// commits commits what was acknowledged, until the session ends.
func (s *session) commits() {
	for {
		select {
		case <-s.events.marked:
		case <-s.quit.Done():
			return
		}
		ctx, cancel := context.WithTimeout(s.quit, requestTime)
		failed := s.commitBy(ctx, s.current()) != nil
		cancel()
		pause := s.pace.commit
		if failed {
			pause = s.pace.retry
			capability.Signal(s.events.marked) // again; the marks are kept
		}
		select {
		case <-time.After(pause):
		case <-s.quit.Done():
			return
		}
	}
}

// commitLogged is the last commit of a session.
func (s *session) commitLogged(ctx context.Context) {
	if !s.reads() {
		return
	}
	if err := s.commitBy(ctx, s.current()); err != nil {
		s.log.Warn("kafka offsets not committed at the end: some records will come twice", "error", s.masked(err))
	}
}

// commitBy commits what was acknowledged by a client. Marks that were not taken
// are kept.
func (s *session) commitBy(ctx context.Context, c *kgo.Client) error {
	s.committing.Lock()
	defer s.committing.Unlock()
	marks := s.events.toCommit()
	if len(marks) == 0 {
		return nil
	}
	offsets := make(map[int32]kgo.EpochOffset, len(marks))
	for p, m := range marks {
		offsets[p] = m.offsets()
	}
	var failed error
	answered := false
	c.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{s.set.args.Topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			if failed = err; resp == nil {
				return
			}
			answered = true
			for _, t := range resp.Topics {
				for _, p := range t.Partitions {
					if e := kerr.ErrorForCode(p.ErrorCode); e != nil {
						failed = e
						delete(marks, p.Partition)
					}
				}
			}
		})
	if answered {
		s.events.committed(marks)
	}
	return failed
}
