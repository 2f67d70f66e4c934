package mqtt

import (
	"slices"
	"sync"

	"github.com/snaprail/snaprail/runtime/capability"
)

// places are the client ids in use, by connector and broker. A broker knows one
// client of an id: a second session of a connector with it is on trial (trial.go)
// until the guest that has it runs, as after a swap to another config. Then the
// newest has it, and the others wait until that is closed.
type places struct {
	mu sync.Mutex
	by map[string][]*session // the newest last
}

func newPlaces() *places { return &places{by: map[string][]*session{}} }

// claim takes a place that nobody has; false: another session has it.
func (p *places) claim(key string, s *session) bool {
	if key == "" {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.by[key]) > 0 {
		return false
	}
	p.by[key] = []*session{s}
	return true
}

// take makes a session the newest one.
func (p *places) take(key string, s *session) {
	if key == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.by[key] = append(slices.DeleteFunc(p.by[key], func(o *session) bool { return o == s }), s)
}

// has reports whether no other session is newer.
func (p *places) has(key string, s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.by[key]
	return len(list) == 0 || list[len(list)-1] == s
}

// shared reports whether several sessions want the place.
func (p *places) shared(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.by[key]) > 1
}

// leave gives the place back.
func (p *places) leave(key string, s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.DeleteFunc(p.by[key], func(o *session) bool { return o == s })
	if len(list) == 0 {
		delete(p.by, key)
		return
	}
	p.by[key] = list
	capability.Signal(list[len(list)-1].turn)
}
