package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
)

func (a *app) userCommand() *cobra.Command {
	c := branch("user", "Add, change and remove the users of your tenant",
		a.userList(), a.userAdd(), a.userRemove(), a.userRole(), a.userPassword(),
		a.userAble("disable", "Refuse a user, whatever they come with", true), a.userAble("enable", "Let a user in again", false))
	c.Aliases = []string{"users"}
	return c
}

func (a *app) userList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List users", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				list, err := api.Users(ctx)
				if err != nil {
					return err
				}
				return a.show(append([]client.User{}, list...), func() { a.printUsers(list) }) // [] rather than null
			})
		},
	}
}

func (a *app) printUsers(list []client.User) {
	rows := make([][]string, len(list))
	for i, u := range list {
		state := "ready"
		switch {
		case u.Disabled:
			state = "disabled"
		case u.Issuer != "":
			state = "from " + u.Issuer
		case !u.PasswordSet:
			state = "no password yet"
		}
		seen := "-"
		if !u.Seen.IsZero() {
			seen = when(u.Seen)
		}
		name := u.Name
		if u.Display != "" {
			name += " (" + u.Display + ")"
		}
		rows[i] = []string{name, u.Role, state, seen}
	}
	a.rows([]string{"NAME", "ROLE", "STATE", "LAST LOGIN"}, rows)
}

func (a *app) userAdd() *cobra.Command {
	in := client.UserInput{}
	var fromStdin bool
	c := &cobra.Command{
		Use: "add name", Aliases: []string{"create"}, Short: "Make a user, and print the one-time link by which they set a password",
		Example: "  snaprail user add ada --role operator\n  snaprail user add ada --role admin --password-stdin < password.txt",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in.Name = args[0]
			password := ""
			if fromStdin {
				var err error
				if password, err = a.readPassword("password of " + visible(in.Name)); err != nil {
					return err
				}
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				user, err := api.CreateUser(ctx, in)
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "made the user %s (%s)\n", visible(user.Name), user.Role)
				if !fromStdin {
					return a.showLink(user, user.Invitation)
				}
				if err := api.SetPassword(ctx, user.Name, password); err != nil {
					return err
				}
				return a.show(user.User, func() {})
			})
		},
	}
	c.Flags().StringVar(&in.Role, "role", "viewer", "`role`: viewer, operator or admin")
	c.Flags().BoolVar(&fromStdin, "password-stdin", false, "set the password from stdin, instead of a link")
	return c
}

// showLink prints a one-time link as an address of the server that was asked.
func (a *app) showLink(value any, link client.Link) error {
	return a.show(value, func() {
		fmt.Fprintf(a.err, "good once, until %s:\n", when(link.Expires))
		fmt.Fprintln(a.out, strings.TrimRight(a.server, "/")+link.Path)
	})
}

func (a *app) userRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm name", Aliases: []string{"delete"}, Short: "Remove a user, with their sessions and their own tokens",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if err := api.DeleteUser(ctx, args[0]); err != nil {
					return err
				}
				fmt.Fprintf(a.err, "removed the user %s\n", visible(args[0]))
				return nil
			})
		},
	}
}

func (a *app) userRole() *cobra.Command {
	return &cobra.Command{
		Use: "role name role", Short: "Give a user another role: viewer, operator or admin",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.changeUser(c, args[0], client.UserChange{Role: &args[1]}); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "tokens that %s has keep at most the role that they were made with: for a higher one they log in again\n", visible(args[0]))
			return nil
		},
	}
}

func (a *app) userAble(verb, short string, disabled bool) *cobra.Command {
	return &cobra.Command{
		Use: verb + " name", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.changeUser(c, args[0], client.UserChange{Disabled: &disabled})
		},
	}
}

func (a *app) changeUser(c *cobra.Command, name string, change client.UserChange) error {
	return a.withClient(c, func(ctx context.Context, api *client.Client) error {
		u, err := api.ChangeUser(ctx, name, change)
		if err != nil {
			return err
		}
		return a.show(u, func() { a.printUsers([]client.User{u}) })
	})
}

func (a *app) userPassword() *cobra.Command {
	var link bool
	c := &cobra.Command{
		Use: "passwd name", Short: "Set a user's password from stdin, or print a one-time link for them to do it",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if link {
					l, err := api.LinkUser(ctx, args[0])
					if err != nil {
						return err
					}
					return a.showLink(l, l)
				}
				password, err := a.readPassword("new password of " + visible(args[0]))
				if err != nil {
					return err
				}
				if err := api.SetPassword(ctx, args[0], password); err != nil {
					return err
				}
				fmt.Fprintf(a.err, "set the password of %s, and ended their sessions\n", visible(args[0]))
				return nil
			})
		},
	}
	c.Flags().BoolVar(&link, "link", false, "print a one-time link instead")
	return c
}

// until is when something ends that lives so long; the zero time for ever.
func until(life time.Duration) time.Time {
	if life == 0 {
		return time.Time{}
	}
	return time.Now().Add(life).UTC()
}
