package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The names of the group and its functions.
const (
	Name = "kafka"

	functionProduce = "produce"
	functionEnsure  = "ensure"
	functionTopic   = "topic"
	functionDelete  = "delete"
)

// Config is what the group is made of.
type Config struct {
	// Egress is the way out.
	Egress *egress.Egress
	// Records and Bytes bound what one session keeps of records that were read and
	// are not acknowledged, and as much again of records that are to be delivered;
	// default 4096 and 8 MiB. A poll may go beyond by what one fetch brings.
	Records int
	Bytes   int

	pace pace
}

// pace is how fast a session notices things.
type pace struct {
	probe  time.Duration // between looks at whether the cluster is there
	answer time.Duration // that it has for one
	retry  time.Duration // the longest wait between attempts
	commit time.Duration // between two commits
}

const (
	defaultRecords = 4096
	defaultBytes   = 8 << 20
)

// Group is the Kafka clusters that can be reached.
type Group struct {
	cfg Config
}

// New is the group.
func New(cfg Config) *Group {
	if cfg.Records <= 0 {
		cfg.Records = defaultRecords
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = defaultBytes
	}
	if cfg.pace == (pace{}) {
		cfg.pace = pace{probe: 3 * time.Second, answer: 4 * time.Second, retry: time.Second, commit: 100 * time.Millisecond}
	}
	return &Group{cfg: cfg}
}

// Name is "kafka".
func (*Group) Name() string { return Name }

// Functions lists the host functions. Open needs no right of its own: a session
// without a consumer group reads nothing, and one with needs the right to read.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: capability.OpenFunction, Sentence: "connect to the Kafka topics that it is granted, and consume those that it may read, with secrets that it does not see"},
		{Name: functionProduce, Right: spec.Write, Sentence: "produce records to the Kafka topics that it is granted", Rehearse: rehearseProduce},
		{Name: functionTopic, Right: spec.Read, Sentence: "ask whether the Kafka topics that it may read are there"},
		{Name: functionEnsure, Right: spec.Write, Sentence: "create the Kafka topics that it is granted", Rehearse: rehearseEnsure},
		{Name: functionDelete, Right: spec.Write, Sentence: "delete the Kafka topics that it is granted, with all that they hold", Rehearse: rehearseDelete},
	}
}

// Cannot implements capability.Bounded.
func (*Group) Cannot() []string {
	return []string{
		"Cannot connect to private addresses, this machine included, unless a grant names their network (as in cidr:192.168.1.0/24).",
		"Cannot follow a broker to another host or port that it advertises, unless a grant covers that too.",
	}
}

// Matches implements capability.Matcher.
func (*Group) Matches(pattern, resource string) bool { return covers(pattern, resource) }

// CheckPattern implements capability.Matcher.
func (*Group) CheckPattern(pattern string) error { return checkPattern(pattern) }

// CheckGrants implements capability.Checker: that no topic is granted at all at a
// broker is said beside that this one is not.
func (*Group) CheckGrants(grants []spec.Grant, resource string, right spec.Right) error {
	err := capability.Check(Name, grants, resource, right)
	if err == nil || anyTopic(grants, resource, right) {
		return err
	}
	f := fault.Of(err)
	none := fault.New(f.Kind, "%s, nor another topic there", f.Text).WithHint("%s", f.Hint)
	none.Finer = abi.KafkaNoTopic
	return none
}

var _ interface {
	capability.Matcher
	capability.Checker
	capability.Bounded
} = (*Group)(nil)

// Target reads an encoded abi.KafkaOpen. The resource is the topic at the first
// broker, in its one spelling.
func (*Group) Target(args []byte) (capability.Target, error) {
	set, err := readSettings(args)
	if err != nil {
		return capability.Target{}, err
	}
	return capability.Target{Resource: set.resource(), Key: set.key}, nil
}

// Open connects to the cluster, trying again until a broker answers, or
// open_timeout or ctx ends. What a retry cannot mend (a login that is refused, an
// address that is not granted) is an error at once. The topic need not be there
// yet.
func (g *Group) Open(ctx context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	set, err := readSettings(args)
	if err != nil {
		return nil, err
	}
	if g.cfg.Egress == nil {
		return nil, fault.New(fault.Unsupported, "kafka: there is no way out")
	}
	if set.args.Group != "" {
		if err := capability.Check(Name, scope.Grants, set.resource(), spec.Read); err != nil {
			return nil, err
		}
	}
	s, err := newSession(ctx, g, set, scope)
	if err != nil {
		return nil, err
	}
	if err := s.connect(ctx); err != nil {
		s.abandon()
		return nil, err
	}
	return s.start(), nil
}

// connect waits until a broker answers for the first time.
func (s *session) connect(ctx context.Context) error {
	wait, cancel := capability.BeforeDeadline(ctx, s.set.openTimeout)
	defer cancel()
	pause := time.NewTicker(min(s.pace.retry, 250*time.Millisecond))
	defer pause.Stop()
	var said error // what a broker or the network said, before time was up
	for {
		err := s.probe(wait)
		switch {
		case err == nil:
			s.setUp()
			return nil
		case fault.Is(err, fault.NotFound):
			s.setDown(fault.Of(err))
			return nil // the cluster answers; the topic may yet be made
		case !mayHelp(err):
			return err
		case said == nil || !fault.Is(err, fault.Timeout):
			said = err
		}
		select {
		case <-pause.C:
			if wait.Err() == nil {
				continue
			}
		case <-wait.Done():
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return fault.Wrap(fault.Canceled, ctx.Err(), "%s was not opened", s.set.resource())
		}
		return said
	}
}

// mayHelp reports whether another attempt may succeed.
func mayHelp(err error) bool {
	k := fault.Of(err).Kind
	return k == fault.ResourceUnavailable || k == fault.Timeout
}
