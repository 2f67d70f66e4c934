package param

// MaxJSONDepth is how deep objects and lists of a configuration may stand within
// each other. Whoever walks one pays for each level; nobody reads 32.
const MaxJSONDepth = 32

// TooDeep reports whether JSON is nested deeper than MaxJSONDepth. It looks at
// brackets alone, in one pass and without a copy, so that it can be asked before
// anything is read.
func TooDeep(raw []byte) bool {
	depth, text := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > MaxJSONDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
