// Package secret keeps what nobody may read back: passwords, keys and tokens
// that connectors need. Each value is sealed under its tenant's data key, each
// data key is wrapped under one key-encryption key, the KEK, which lies outside
// of what it protects; to change the KEK is to wrap the data keys again, and no
// value is touched. The package also tells each tenant's mask what its secrets
// are.
//
// The rooms that configure and run connectors import it, and cmd; it imports
// the store's interface alone. Its invariants: a value leaves only by Unseal; a
// sealed value opens only as what it was sealed as, for its tenant and under
// its name; a value is masked from the moment that it is sealed; and what is in the
// store is masked for as long as it is there. What the host makes for a connector
// by itself, and nobody else ever gets, has ways of its own, Keep and Kept, and
// is not masked.
//
//	keys, err := secret.Open(ctx, s.System(), kek)
//	vault, err := keys.Vault(ctx, "acme")
//	err = space.Update(ctx, func(w store.Writer) error {
//		_, err := vault.Seal(w, secret.Named("pump-api"), value)
//		return err
//	})
//	text = vault.Mask().Text(text)
package secret
