package wasmbin

// features are the parts of WebAssembly 2.0 beyond 1.0 that a module uses.
type features uint8

const (
	bulkMemory features = 1 << iota
	multiValue
	referenceTypes
	saturation
	signExtension
	vectors
)

// Features names the parts of WebAssembly 2.0 beyond 1.0 that the module uses,
// as the proposals were called.
func (i *Info) Features() []string {
	var names []string
	for n, name := range []string{
		"bulk-memory", "multi-value", "reference-types", "nontrapping-float-to-int", "sign-extension", "simd",
	} {
		if i.features&(1<<n) != 0 {
			names = append(names, name)
		}
	}
	return names
}
