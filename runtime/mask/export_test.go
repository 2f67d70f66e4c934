package mask

// Forms is how many forms of values are known.
func (m *Mask) Forms() (n int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, of := range m.forms {
		n += len(of)
	}
	return n
}

// Looks is how many bytes of a text are looked at twice.
func (m *Mask) Looks(text string) (n int) {
	const low = 1<<(8*pieceSize) - 1
	var piece uint64
	for i := range len(text) {
		piece = (piece<<8 | uint64(text[i])) & low
		if word, bit := m.bit(piece); m.seen[word].Load()&bit != 0 {
			n++
		}
	}
	return n
}
