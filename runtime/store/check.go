package store

import "github.com/snaprail/snaprail/runtime/fault"

// maxTenant is the length of a tenant's id in bytes.
const maxTenant = 63

// writeCost is what a write costs beside its id and its value: an upper bound
// of what a backend adds.
const writeCost = 160

// CheckTenant is the rule that Store.Tenant applies to a tenant's id, for those
// who write one down without reaching into its space. It fails with
// fault.Invalid.
func CheckTenant(id string) error {
	ok := len(id) >= 1 && len(id) <= maxTenant
	for _, c := range []byte(id) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return fault.New(fault.Invalid, "tenant %.80q is not 1 to %d of a-z, 0-9 and -", id, maxTenant)
	}
	return nil
}

func checkBucket(b Bucket) error {
	if !b.known() {
		return fault.New(fault.Invalid, "there is no bucket %.80q", string(b))
	}
	return nil
}

func checkKey(b Bucket, id string) error {
	if err := checkBucket(b); err != nil {
		return err
	}
	if id == "" || len(id) > MaxID {
		return fault.New(fault.Invalid, "an id in %s has %d bytes; it needs 1 to %d", b, len(id), MaxID)
	}
	return nil
}

func checkValue(b Bucket, id string, value []byte) error {
	if len(value) > MaxValue {
		return fault.New(fault.TooLarge, "the value of %s %.80q has %d bytes; at most %d are kept", b, id, len(value), MaxValue)
	}
	return nil
}

func notFound(b Bucket, id string) error {
	return fault.New(fault.NotFound, "there is no %.80q in %s", id, b)
}
