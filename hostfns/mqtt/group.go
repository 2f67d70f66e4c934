package mqtt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The names of the group and its functions.
const (
	Name = "mqtt"

	functionPublish   = "publish"
	functionWill      = "will"
	functionReconnect = "reconnect"
	functionInfo      = "info"
	functionClose     = "close"
)

// Config is what the group is made of.
type Config struct {
	// Egress is the way out.
	Egress *egress.Egress
	// Messages and Bytes bound what one session keeps of messages that were received
	// and are not acknowledged, and as much again of messages that are to be
	// published; default 4096 and 8 MiB. Messages of QoS 1 and 2 may exceed them by
	// what the broker has under way.
	Messages int
	Bytes    int

	pace pace
}

// pace is how fast a session notices things.
type pace struct {
	probe   time.Duration // between looks at whether the broker is there
	answer  time.Duration // that it has for one, and for each step of a connection
	retry   time.Duration // the longest wait between attempts to connect
	again   time.Duration // the wait after what a retry hardly mends
	contest time.Duration // the first wait after another client has taken the session
	steady  time.Duration // how long a connection lasts that was no accident
	stall   time.Duration // the longest that a guest may hold up what is received
	stuck   time.Duration // the longest that the broker may take to acknowledge a message
}

func defaultPace() pace {
	return pace{
		probe: 8 * time.Second, answer: 5 * time.Second, retry: 15 * time.Second, again: 15 * time.Second,
		contest: 5 * time.Second, steady: 10 * time.Second, stall: 3 * time.Second, stuck: time.Minute,
	}
}

const (
	defaultMessages = 4096
	defaultBytes    = 8 << 20
	defaultReceive  = 1024
)

// Group is the MQTT brokers that can be reached.
type Group struct {
	cfg    Config
	places *places
}

// New is the group.
func New(cfg Config) *Group {
	if cfg.Messages <= 0 {
		cfg.Messages = defaultMessages
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = defaultBytes
	}
	if cfg.pace == (pace{}) {
		cfg.pace = defaultPace()
	}
	return &Group{cfg: cfg, places: newPlaces()}
}

// Name is "mqtt".
func (*Group) Name() string { return Name }

// Functions lists the host functions. Open needs no right of its own: what a
// session subscribes to needs the right to read it, and to read at the broker, and
// its will the right to write.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: capability.OpenFunction, Sentence: "connect to the MQTT brokers that it is granted, and receive the topics that it may read, with secrets that it does not see"},
		{Name: functionPublish, Right: spec.Write, Sentence: "publish to the MQTT topics that it is granted", Rehearse: rehearsePublish},
		{Name: functionWill, Right: spec.Write, Sentence: "have a last will published to the MQTT topics that it is granted", Rehearse: rehearseSilent},
		{Name: functionReconnect, Right: spec.Write, Sentence: "connect to its MQTT broker anew", Rehearse: rehearseSilent},
		{Name: functionInfo, Sentence: "see what its MQTT connection is like"},
		{Name: functionClose, Consumes: true, Sentence: "end its MQTT connections without their last will"},
	}
}

// Cannot implements capability.Bounded.
func (*Group) Cannot() []string {
	return []string{
		"Cannot connect to private addresses, this machine included, unless a grant names their network (as in cidr:192.168.1.0/24).",
		"Cannot follow an MQTT broker to another one that it refers to.",
		"Cannot use the topics of a grant that names MQTT brokers at any other broker; topics of a grant without a broker go with all brokers that it is granted.",
	}
}

// Matches implements capability.Matcher.
func (*Group) Matches(pattern, resource string) bool { return covers(pattern, resource) }

// CheckPattern implements capability.Matcher.
func (*Group) CheckPattern(pattern string) error { return checkPattern(pattern) }

var _ interface {
	capability.Matcher
	capability.Bounded
} = (*Group)(nil)

// Target reads an encoded abi.MQTTOpen. The resource is the broker in its one
// spelling.
func (*Group) Target(args []byte) (capability.Target, error) {
	set, err := readSettings(args)
	if err != nil {
		return capability.Target{}, err
	}
	return capability.Target{Resource: set.resource(), Key: set.key}, nil
}

// Open connects to the broker and subscribes, trying again until it is there, or
// open_timeout or ctx ends. What a retry cannot mend (a login that is refused, a
// topic that is not granted) is an error at once.
func (g *Group) Open(ctx context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	set, err := readSettings(args)
	if err != nil {
		return nil, err
	}
	if g.cfg.Egress == nil {
		return nil, fault.New(fault.Unsupported, "mqtt: there is no way out")
	}
	if err := mayOpen(set, scope.Grants); err != nil {
		return nil, err
	}
	s, err := newSession(ctx, g, set, scope)
	if err != nil {
		return nil, err
	}
	s.trial.Store(s.tried(scope) || !g.places.claim(s.place, s))
	if err := s.open(ctx); err != nil {
		s.abandon()
		return nil, err
	}
	return s, nil
}

// mayOpen holds the subscriptions and the will to the grants.
func mayOpen(set *settings, grants []spec.Grant) error {
	for _, f := range set.filters {
		switch broker := set.resource(); {
		case !granted(grants, broker, f.Filter, spec.Read):
			return notGranted(f.Filter, broker, spec.Read)
		case !readable(grants, broker, f.Filter):
			return capability.Check(Name, nil, broker, spec.Read)
		}
	}
	if set.args.Will == nil {
		return nil
	}
	return mayWill(set, grants, set.args.Will)
}

// notGranted is the error for a topic that is not granted at a broker.
func notGranted(topic, broker string, right spec.Right) error {
	f := fault.Of(capability.Check(Name, nil, topics+topic, right))
	f.Text += fmt.Sprintf(" at %s", broker)
	return f
}

// mayWill holds a will to the grants: nobody is asked when the broker publishes it.
func mayWill(set *settings, grants []spec.Grant, will *abi.MQTTMessage) error {
	switch {
	case !capability.Allows(grants, set.resource(), spec.Write):
		return capability.Check(Name, grants, set.resource(), spec.Write)
	case !granted(grants, set.resource(), will.Topic, spec.Write):
		return notGranted(will.Topic, set.resource(), spec.Write)
	case locked(grants, set.resource()) || barred(grants, will.Topic):
		return fault.New(fault.Interlocked, "mqtt: the grant has an interlock, and the broker publishes a will without being asked").
			WithHint("Leave the will out, or set unasked in the grant's interlock.")
	}
	return nil
}

// mayHelp reports whether another attempt may succeed.
func mayHelp(err error) bool {
	k := fault.Of(err).Kind
	return k == fault.ResourceUnavailable || k == fault.Timeout
}

// open makes the first connection.
func (s *session) open(ctx context.Context) error {
	wait, cancel := capability.BeforeDeadline(ctx, s.set.openTimeout)
	defer cancel()
	pause := time.NewTicker(min(s.pace.retry, 250*time.Millisecond))
	defer pause.Stop()
	var said error // what the broker or the network said, before time was up
	for {
		l, err := s.connect(wait)
		switch {
		case err == nil:
			go s.run(l)
			return nil
		case s.unknownAlias():
			go s.run(nil)
			return nil
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
