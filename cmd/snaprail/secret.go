package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/secret"
)

func (a *app) secretCommand() *cobra.Command {
	c := branch("secret", "Set, list and remove secrets, and change the key that they are sealed under",
		a.secretSet(), a.secretList(), a.secretShow(), a.secretRemove(), a.secretRotateKey())
	c.Aliases = []string{"secrets"}
	c.Long = "A connector names a secret as secret://name in its config, where the module has a use for that: the host\n" +
		"fills the value in, and the module never sees it. Nobody can read a value back."
	return c
}

func (a *app) secretSet() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "set name", Short: "Set a secret from stdin, a prompt or a file",
		Long: "Set keeps a value under a name, in the place of any that is there. The value comes from stdin, from a prompt\n" +
			"that does not show it, or from a file, and never from the command line, which others can see. One line break\n" +
			"at its end is left out.",
		Example: "  snaprail secret set pump-api < token.txt\n  snaprail secret set pump-api",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			value, err := a.readSecret(args[0], file)
			if err != nil {
				return err
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				s, err := api.SetSecret(ctx, args[0], value)
				if err != nil {
					return err
				}
				for _, w := range s.Warnings {
					fmt.Fprintf(a.err, "warning: %s\n", w)
				}
				return a.show(s, func() { fmt.Fprintf(a.err, "set the secret %s (fingerprint %s)\n", s.Name, s.Fingerprint) })
			})
		},
	}
	c.Flags().StringVar(&file, "file", "", "`file` with the value")
	return c
}

// readSecret reads a value from a file, a prompt or stdin.
func (a *app) readSecret(name, file string) (string, error) {
	in := a.in
	if tty, ok := a.in.(*os.File); file == "" && ok && isTerminal(tty) {
		return a.readPassword("value of " + visible(name))
	}
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return "", fault.Wrap(fault.Usage, err, "file")
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, secret.MaxValue+3))
	if err != nil && !errors.Is(err, fs.ErrClosed) {
		return "", fault.Wrap(fault.Usage, err, "the value cannot be read")
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	switch {
	case value == "":
		return "", fault.New(fault.Usage, "no value was given").
			WithHint("Write it to stdin, as in: snaprail secret set %s < value.txt", visible(name))
	case len(value) > secret.MaxValue:
		return "", fault.New(fault.TooLarge, "a secret has at most %d bytes", secret.MaxValue)
	}
	return value, nil
}

func (a *app) secretList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List secrets, without their values", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				list, err := api.Secrets(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func() { a.printSecrets(list) })
			})
		},
	}
}

func (a *app) printSecrets(list []client.Secret) {
	rows := make([][]string, len(list))
	for i, s := range list {
		rows[i] = []string{s.Name, s.Fingerprint, when(s.UpdatedAt)}
	}
	a.rows([]string{"NAME", "FINGERPRINT", "UPDATED"}, rows)
}

func (a *app) secretShow() *cobra.Command {
	return &cobra.Command{
		Use: "show name", Short: "Show what may be known of a secret, and which connectors name it", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				s, err := api.Secret(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(s, func() {
					a.printSecrets([]client.Secret{s})
					for _, id := range s.UsedBy {
						fmt.Fprintf(a.out, "named by %s\n", id)
					}
				})
			})
		},
	}
}

func (a *app) secretRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm name", Aliases: []string{"delete"}, Short: "Forget a secret that no connector names", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if err := api.DeleteSecret(ctx, args[0]); err != nil {
					return err
				}
				fmt.Fprintf(a.err, "forgot the secret %s\n", visible(args[0]))
				return nil
			})
		},
	}
}
