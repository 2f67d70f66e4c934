package control

// Wants reports whether a connector of this id is to run, whichever tenant's it is.
// It is for requests that come in for a connector and name no tenant; nothing else
// is told of it.
func (s *Service) Wants(connector string) bool { return s.cfg.Supervisor.Wants(connector) }
