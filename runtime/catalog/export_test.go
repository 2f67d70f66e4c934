package catalog

import "time"

// DescribeTimeout is how long a module may take to start and describe itself.
const DescribeTimeout = describeTimeout

// SetPatience shortens that, so that a test need not wait for it.
func (c *Catalog) SetPatience(d time.Duration) { c.patience = d }

// SetSaved makes that what the admissions of a tenant may cost at once.
func (c *Catalog) SetSaved(d time.Duration) { c.costs.saved = d }

// Path is where the bytes of a module are.
func (c *Catalog) Path(digest string) string { return c.path(digest) }

// Newer orders versions.
var Newer = newer
