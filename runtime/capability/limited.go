package capability

// Limited is a Group whose calls draw on a limit of their own, beside the one
// of all host calls. The caller of a session asks for it before each call; a
// group need not count. A limit that is no rate bounds the calls under way.
type Limited interface {
	Group
	// Limit is the name of one of the limits in spec.LimitTable.
	Limit() string
}
