package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/store"
)

func (a *app) auditVerify() *cobra.Command {
	var trail, note string
	var o tokensOf
	c := &cobra.Command{
		Use:   "verify",
		Short: "See whether the audit trail is as it was written",
		Long: "Verify walks a trail and sees that each event is the one that the next one names. It asks the server, and\n" +
			"when nobody answers, or with --data, it reads the data directory of a server that is stopped.\n\n" +
			"It prints the newest event's sequence and hash. Note them outside of the server, and give them with --note\n" +
			"later: who can write the server's disk can write the whole chain anew, but not your note.",
		Example: "  snaprail audit verify\n  snaprail audit verify --trail server --note 4711:9f86d081884c7d65...",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if trail != "tenant" && trail != "server" {
				return fault.New(fault.Usage, "--trail %q: want tenant or server", trail)
			}
			anchor, err := parseNote(note)
			if err != nil {
				return err
			}
			var v client.Verdict
			err = a.either(c, func(ctx context.Context, api *client.Client) error {
				v, err = api.VerifyAudit(ctx, trail == "server", anchor)
				return err
			}, func(ctx context.Context) error {
				v, err = o.verify(ctx, trail == "server", anchor)
				return err
			})
			if err != nil {
				return err
			}
			return errors.Join(a.show(v, func() { a.printVerdict(v) }), broken(v, anchor))
		},
	}
	o.flags(a, c)
	c.Flags().StringVar(&trail, "trail", "tenant", "which `trail`: tenant or server")
	c.Flags().StringVar(&note, "note", "", "an event that was noted earlier, as `sequence:hash`")
	return c
}

// parseNote reads 4711:9f86...; nil: none.
func parseNote(text string) (*client.Anchor, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // nothing was noted, and that is no fault
	}
	sequence, hash, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(sequence, 10, 64)
	if err != nil || n == 0 || len(hash) != 64 {
		return nil, fault.New(fault.Usage, "--note %q: want sequence:hash, as verify has printed it", text)
	}
	return &client.Anchor{Sequence: n, Hash: hash}, nil
}

// verify reads the trail of a stopped server.
func (o *tokensOf) verify(ctx context.Context, server bool, note *client.Anchor) (v client.Verdict, err error) {
	err = o.with(ctx, func(ctx context.Context, s store.Store) error {
		space := s.System()
		if !server {
			if space, err = s.Tenant(o.tenant); err != nil {
				return err
			}
		}
		return space.View(ctx, func(r store.Reader) error {
			found, err := identity.Verify(r, (*identity.Anchor)(note))
			v = client.Verdict{
				OK: found.OK, Events: found.Events, Unchained: found.Unchained, First: found.First,
				Head: client.Anchor(found.Head), Broken: found.Broken, Reason: found.Reason,
			}
			return err
		})
	})
	return v, err
}

func (a *app) printVerdict(v client.Verdict) {
	if !v.OK {
		return // the failure says it
	}
	fmt.Fprintf(a.out, "%d events are as they were written", v.Events-v.Unchained)
	if v.Unchained > 0 {
		fmt.Fprintf(a.out, ", and %d are older than the chain", v.Unchained)
	}
	fmt.Fprintln(a.out)
	if v.Head.Sequence > 0 {
		fmt.Fprintf(a.out, "newest: %d:%s\n", v.Head.Sequence, v.Head.Hash)
	}
}

// broken is the failure of a trail that does not hold, or that does not reach
// back to what was noted.
func broken(v client.Verdict, note *client.Anchor) error {
	switch {
	case v.OK:
		return nil
	case note != nil && v.Broken == 0 && note.Sequence+1 < v.First:
		return fault.New(fault.Integrity, "the trail says nothing of the note: %s", v.Reason).WithHint("Note the newest event more often.")
	case v.Broken > 0:
		return fault.New(fault.Integrity, "the audit trail does not hold at event %d: %s", v.Broken, v.Reason).WithHint(tampered)
	}
	return fault.New(fault.Integrity, "the audit trail does not hold: %s", v.Reason).WithHint(tampered)
}

const tampered = "Somebody changed the server's disk, or it is damaged: keep a copy of the data directory and compare it with a backup."
