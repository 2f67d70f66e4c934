package control

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// keepTopic is how long a stream goes on with a name that may have changed.
const keepTopic = 10 * time.Second

// topics are those of the connectors that a stream has met. They are used by one
// goroutine.
type topics struct {
	space store.Space
	known map[string]topic // by the connector's id
}

type topic struct {
	name string
	read time.Time
}

// of is the topic of a connector's events; "": it is gone.
func (k *topics) of(ctx context.Context, connector string) string {
	now := time.Now()
	if t, ok := k.known[connector]; ok && now.Sub(t.read) < keepTopic {
		return t.name
	}
	t := topic{read: now}
	err := k.space.View(ctx, func(r store.Reader) error {
		c, err := find(r, connector)
		if err != nil {
			return err
		}
		t.name = topicOf(&c)
		return nil
	})
	if err == nil || ctx.Err() == nil {
		k.known[connector] = t
	}
	return t.name
}

// topicOf is where a connector's events are published.
func topicOf(c *spec.Connector) string { return topicPrefix + c.Name }
