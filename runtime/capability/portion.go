package capability

import "time"

// purseWait is how often whoever waits for a purse looks again.
const purseWait = 50 * time.Millisecond

// The steps in which a Portion draws, in bytes. The first one is free, so that
// whoever takes all of a purse leaves every buffer what it mostly needs.
const portionStep = 64 << 10

// Portion is what one buffer draws on the purse of its tenant: a connector may have
// many sessions, and none of them may fill the host. It draws in steps, so that what
// is added one by one costs the purse little. Whoever has the buffer guards it. The
// zero Portion draws on nothing and refuses nothing.
type Portion struct {
	purse Purse
	turns Turns // the same; nil: it keeps no places
	turn  *Turn // its place there; nil: it does not wait
	drawn int64
	over  bool
}

// NewPortion is a portion of a purse; nil: there is no bound.
func NewPortion(purse Purse) Portion {
	turns, _ := purse.(Turns)
	return Portion{purse: purse, turns: turns}
}

// Hold draws what a buffer of so many bytes needs; false: the purse has not got it, or
// others came before: these have their turn even if it has drawn enough already, as
// else a buffer that is filled again at once would never give anything back. Of a
// purse that is a Turns the portion has a place then, which it keeps as long as it asks
// again within a second.
func (p *Portion) Hold(size int) bool {
	need := beyondFree(size)
	more := max(0, need-p.drawn)
	if p.purse == nil || p.over || need == 0 || more == 0 && !p.awaited() {
		p.Forgo()
		return true
	}
	if !p.draw(more) {
		return false
	}
	p.drawn += more
	return true
}

// Take draws what a buffer of so many bytes needs for what is in it already, if the
// purse has that: it passes whoever waits, and takes no place among them.
func (p *Portion) Take(size int) {
	more := beyondFree(size) - p.drawn
	if p.purse == nil || p.over || more <= 0 {
		return
	}
	if p.purse.Hold(more) == nil {
		p.drawn += more
	}
}

func (p *Portion) draw(n int64) bool {
	if p.turns == nil {
		return p.purse.Hold(n) == nil
	}
	if p.turn == nil {
		p.turn = &Turn{}
	}
	if !p.turns.HoldInTurn(p.turn, n) {
		return false
	}
	p.turn = nil
	return true
}

// awaited reports whether somebody waits for room in the purse.
func (p *Portion) awaited() bool { return p.turns != nil && p.turns.Awaited() }

// Forgo gives the place up of one whom Hold refused, and who does not ask again.
func (p *Portion) Forgo() {
	if p.turn != nil {
		p.turns.Forgo(p.turn)
		p.turn = nil
	}
}

// Leave gives back what a buffer of so many bytes does not need any more, but for a
// step, which is mostly wanted again at once: unless somebody waits for it.
func (p *Portion) Leave(size int) {
	need := beyondFree(size)
	if need > 0 && !p.awaited() {
		need += portionStep
	}
	p.shrink(need)
}

// End gives all of it back, for good.
func (p *Portion) End() {
	p.Forgo()
	p.shrink(0)
	p.over = true
}

func (p *Portion) shrink(need int64) {
	if less := p.drawn - need; less > 0 {
		_ = p.purse.Hold(-less) // giving back is not refused
		p.drawn -= less
	}
}

// AwaitRoom waits until room holds a token, or until it is time to look again: starved
// says that it was a purse that had not got what was wanted, and what others give back
// to that they do not tell. false: done is closed.
func AwaitRoom(room, done <-chan struct{}, starved bool) (look bool) {
	var again <-chan time.Time
	if starved {
		t := time.NewTimer(purseWait)
		defer t.Stop()
		again = t.C
	}
	select {
	case <-room:
	case <-again:
	case <-done:
		return false
	}
	return true
}

// beyondFree is a size in whole steps, without the first.
func beyondFree(size int) int64 {
	return max(0, (int64(size)-1)/portionStep) * portionStep
}
