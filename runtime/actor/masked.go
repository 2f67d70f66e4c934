package actor

import (
	"context"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// masked is a text without the tenant's secrets.
func (s *surroundings) masked(text string) string {
	if s.mask == nil {
		return text
	}
	return s.mask(text)
}

// clean is an error without the tenant's secrets. What guests say goes through
// it before anything cuts it: half a secret would not be known again.
func (s *surroundings) clean(err error) error {
	if err == nil || s.mask == nil {
		return err
	}
	f := fault.Of(err)
	text, hint := s.mask(f.Text), s.mask(f.Hint)
	if text == f.Text && hint == f.Hint {
		return err
	}
	return &fault.Fault{Kind: f.Kind, Text: text, Hint: hint, RetryAfter: f.RetryAfter, Fields: f.Fields, Offset: f.Offset}
}

// namedSecrets are the named secrets that one guest's connector names as
// secret://name in its config or its grants: no other is used for it, whatever
// the guest asks for. A session may ask for them after the guest has gone.
type namedSecrets struct {
	*surroundings
	named []string
}

// namesOf are the secrets that a guest may ask to be used.
func namesOf(config []byte, grants []spec.Grant) []string {
	names := spec.SecretNames(config)
	for _, g := range grants {
		for _, r := range g.Resources {
			names = append(names, spec.SecretNames([]byte(r))...)
		}
	}
	return names
}

// SecretsOf are the named secrets that a connector names in its config or its
// grants, for whoever acts for it beside its guests.
func SecretsOf(config []byte, grants []spec.Grant, secret func(ctx context.Context, name string) ([]byte, error)) capability.Secrets {
	return outerSecrets{namesOf(config, grants), secret}
}

type outerSecrets struct {
	named  []string
	secret func(ctx context.Context, name string) ([]byte, error)
}

// Secret implements capability.Secrets.
func (s outerSecrets) Secret(ctx context.Context, name string) ([]byte, error) {
	if !slices.Contains(s.named, name) {
		return nil, fault.New(fault.Denied, "the connector does not name the secret %.80q", name).
			WithHint("Name it in the connector's config, as %s%.80s.", abi.SecretPrefix, name)
	}
	return s.secret(ctx, name)
}

// Secret implements capability.Secrets.
func (s namedSecrets) Secret(ctx context.Context, name string) ([]byte, error) {
	if s.secret == nil {
		return nil, fault.New(fault.SecretMissing, "there are no secrets here, and %.80q was asked for", name)
	}
	if !slices.Contains(s.named, name) {
		err := fault.New(fault.Denied, "the connector does not name the secret %.80q", name).
			WithHint("Name it in the connector's config, as %s%.80s.", abi.SecretPrefix, name)
		s.refuse("secret", "use", name, err)
		return nil, err
	}
	return s.secret(ctx, name)
}
