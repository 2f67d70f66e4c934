package badger

// EndsWhole reports whether the bytes of a log end where a commit does.
func EndsWhole(log []byte) bool {
	end, _ := replay(log)
	return end == len(log)
}
