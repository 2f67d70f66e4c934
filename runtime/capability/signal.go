package capability

// Signal puts a token into a channel that holds one, unless it is there already: what
// Source's Ready is made of. It does not wait.
func Signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
