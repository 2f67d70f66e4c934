package exchange

import "sync"

// maxPot bounds what the tables of one tenant hold together: the messages that
// nobody has taken yet, and as much of replies that nobody has read. It is twice
// what one of them may hold, so that none takes all.
const maxPot = 32 << 20

// Pot is the room that the tables of a tenant share. It is safe for use by
// several goroutines.
type Pot struct {
	mu       sync.Mutex
	messages int
	replies  int
	room     chan struct{} // closed when there is more; nil: nobody waits for that
}

// NewPot is an empty pot.
func NewPot() *Pot { return &Pot{} }

// Held is how many bytes of messages and replies are held.
func (p *Pot) Held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.messages + p.replies
}

// keep takes room for a message, if there is any.
func (p *Pot) keep(size int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.messages+size > maxPot {
		return false
	}
	p.messages += size
	return true
}

func (p *Pot) drop(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages -= size
}

// reserve takes room for a reply; without any, room is closed when there may be.
func (p *Pot) reserve(size int) (room <-chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.replies+size > maxPot {
		if p.room == nil {
			p.room = make(chan struct{})
		}
		return p.room, false
	}
	p.replies += size
	return nil, true
}

// hold changes what replies take.
func (p *Pot) hold(by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.replies += by; by < 0 && p.room != nil {
		close(p.room)
		p.room = nil
	}
}
