package log

import "time"

// again is how often Seldom says what goes on.
const again = time.Minute

// Seldom logs a trouble that is met again and again: when it begins, when it becomes
// another, and then at most once a minute. The zero value is ready.
type Seldom struct {
	text string
	at   int64 // unix ns; a time.Time makes guests larger by all that it can do
}

// Warning writes a line, unless it has been written within the last minute.
func (s *Seldom) Warning(text string) {
	now := time.Now().UnixNano()
	if since := time.Duration(now - s.at); text == s.text && since >= 0 && since < again {
		return
	}
	s.text, s.at = text, now
	Warning(text)
}

// Over ends the trouble: the next one is logged at once, even if it is the same. It
// reports whether there was one.
func (s *Seldom) Over() bool {
	was := s.text != ""
	*s = Seldom{}
	return was
}
