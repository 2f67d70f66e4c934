package control

// remoteTest is the test of a connector whose code is elsewhere.
const remoteTest = "its configuration is whole; whether its code works is known when it attaches"

// remote checks what is peculiar to a connector without a module.
func (f *findings) remote(in *ConnectorInput) (*findings, error) {
	if in.Module != "" || in.Category != "" || in.ProviderType != "" || in.Version != "" {
		f.wrong("/module", "and the type are of connectors that run here, and a remote one has neither")
	}
	if in.Converter != nil {
		f.wrong("/converter", "is of connectors that run here: what a remote one sends is kept as it is")
	}
	if len(in.Grants) > 0 {
		f.wrong("/grants", "are of connectors that run here: a remote one calls no host functions")
	}
	in.Config = orNoConfig(in.Config)
	f.fits("/config", in.Config)
	return f, f.err()
}
