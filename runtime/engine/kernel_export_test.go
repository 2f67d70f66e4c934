package engine

// Extism is what the last call of a guest with an Extism PDK has left: what its
// entry point answered, its output even if it failed, and its variables.
func (i *Instance) Extism() (rc uint32, output []byte, vars map[string]string) {
	vars = make(map[string]string)
	if i.kernel == nil {
		return 0, nil, vars
	}
	for name, value := range i.kernel.Vars() {
		vars[name] = string(value)
	}
	return i.kernel.rc, i.reply, vars
}
