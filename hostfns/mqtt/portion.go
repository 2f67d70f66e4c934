package mqtt

import "github.com/snaprail/snaprail/runtime/capability"

// short is the buffer, in bytes, that is not drawn on the tenant's purse, so that
// whoever takes all of that leaves the others what they mostly need.
const short = 64 << 10

// portion is what one buffer draws on the purse of its tenant: a connector may have
// many sessions, and none of them may fill the host. Whoever has the buffer guards it.
type portion struct {
	purse capability.Purse // nil: there is none
	drawn int64
	over  bool
}

// hold draws what a buffer of so many bytes needs; false: there is none.
func (s *portion) hold(size int) bool {
	more := int64(size) - short - s.drawn
	if s.purse == nil || s.over || more <= 0 {
		return true
	}
	if s.purse.Hold(more) != nil {
		return false
	}
	s.drawn += more
	return true
}

// leave gives back what a buffer of so many bytes does not need any more.
func (s *portion) leave(size int) {
	if less := s.drawn - max(0, int64(size)-short); less > 0 {
		_ = s.purse.Hold(-less) // giving back is not refused
		s.drawn -= less
	}
}

// end gives all of it back, for good.
func (s *portion) end() {
	s.leave(0)
	s.over = true
}
