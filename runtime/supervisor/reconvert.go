package supervisor

import (
	"context"

	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/spec"
)

// convertAs gives the guest that runs the converters that are wanted now: those
// of the connector, of its devices, and of its type. The guest itself goes on
// and notices nothing; a step that has begun ends with the converters that it
// began with.
func (l *life) convertAs(ctx context.Context, c *spec.Connector, own *ownPlans) {
	ctx, cancel := context.WithCancel(ctx)
	s := &swapping{spec: c, cancel: cancel, done: make(chan error, 1), converters: true}
	l.swap = s
	converters := l.version.Converters
	go func() { s.done <- l.reconvert(ctx, c, own, converters) }()
}

func (t *Tenant) reconvert(ctx context.Context, c *spec.Connector, own *ownPlans, converters *actor.Choice) error {
	wanted, err := t.planWith(ctx, c, own)
	if err != nil || wanted.key() == converters.Key() {
		return err
	}
	all, free, err := t.conversions(ctx, wanted)
	if err != nil {
		return err
	}
	converters.Replace(ctx, all, free)
	return nil
}

// converted notes that the guest that runs has the converters of a spec.
func (l *life) converted(c *spec.Connector) {
	newer := c.Revision != l.version.Connector.Revision
	l.version.Connector = *c
	if newer {
		l.actor.Renumber(c.Revision)
	}
	l.handle(c.Revision)
}
