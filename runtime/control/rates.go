package control

// Rates are how often a tenant may ask for something and change something, in
// a minute; 0: nobody has set it. An unknown tenant has none set.
func (s *Service) Rates(tenant string) (requests, changes uint64) {
	t, err := s.cfg.Supervisor.Tenant(tenant)
	if err != nil {
		return 0, 0
	}
	quota := t.Ceiling().Quota
	return quota.RequestsPerMinute, quota.ChangesPerMinute
}
