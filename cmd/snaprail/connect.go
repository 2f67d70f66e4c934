package main

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// pollConnected is how often the server is asked whether a connection was
// finished elsewhere.
const pollConnected = time.Second

func (a *app) connectCommand() *cobra.Command {
	var elsewhere bool
	c := &cobra.Command{
		Use: "connect connector", Short: "Connect a connector with its service, by agreeing in a browser (OAuth)",
		Long: "Connect prints an address. Open it in a browser and agree there: the service gives the connector\n" +
			"tokens, which the server keeps as secrets and refreshes. Ten minutes are left for it.\n\n" +
			"The browser comes back to this machine, on a port of its own, which the service has to allow: OAuth\n" +
			"clients for desktop programs do. With --no-browser it goes to the server instead, whose address\n" +
			"(/api/connectors/oauth/callback/<type>) has to be registered with the service. When you are logged\n" +
			"in there in that browser, that is all; else copy the address that the browser ends at to here.",
		Example: "  snaprail connect drive\n  snaprail connect drive --no-browser",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if elsewhere {
					return a.connectElsewhere(ctx, api, args[0])
				}
				return a.connectHere(ctx, api, args[0])
			})
		},
	}
	c.Flags().BoolVar(&elsewhere, "no-browser", false, "the browser is on another machine")
	return c
}

// connectHere waits for the browser on a port of this machine (RFC 8252).
func (a *app) connectHere(ctx context.Context, api *client.Client, id string) error {
	back, err := listenBack(ctx)
	if err != nil {
		return err
	}
	defer back.close() //nolint:contextcheck // its page has to reach the browser whatever became of the command
	v, err := api.Connector(ctx, id)
	if err != nil {
		return err
	}
	begun, err := api.StartOAuth(ctx, v.ID, client.OAuthRequest{RedirectURI: back.address})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, begun.ExpiresAt)
	defer cancel()
	back.expect(begun.State)
	a.invite(begun)
	a.browse(ctx, begun.AuthorizeURL)
	select {
	case query := <-back.queries:
		return a.finishConnect(ctx, api, v, query)
	case <-ctx.Done():
		return notInTime(ctx)
	}
}

// connectElsewhere waits until somebody has finished it in a browser that is
// logged in, or brings the address that theirs has ended at.
func (a *app) connectElsewhere(ctx context.Context, api *client.Client, id string) error {
	v, err := api.Connector(ctx, id)
	if err != nil {
		return err
	}
	begun, err := api.StartOAuth(ctx, v.ID, client.OAuthRequest{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, begun.ExpiresAt)
	defer cancel()
	a.invite(begun)
	fmt.Fprintln(a.err, "If the page at the end asks for it, paste its address here:")
	pasted := a.pasted(begun.State)
	tick := time.NewTicker(pollConnected)
	defer tick.Stop()
	for {
		select {
		case query := <-pasted:
			return a.finishConnect(ctx, api, v, query)
		case <-tick.C:
			now, err := api.Connector(ctx, v.ID)
			if err != nil {
				return err
			}
			if now.OAuth != nil && (v.OAuth == nil || now.OAuth.Refreshed.After(v.OAuth.Refreshed)) {
				fmt.Fprintf(a.err, "connected %s: %s\n", now.Name, visible(now.StatusMessage))
				return a.show(now, func() {})
			}
		case <-ctx.Done():
			return notInTime(ctx)
		}
	}
}

func (a *app) invite(begun client.OAuthStart) {
	fmt.Fprintf(a.err, "Open this address in a browser, and agree:\n  %s\n", visible(begun.AuthorizeURL))
}

// pasted gives the query of each line that is an address with the state. Its
// goroutine ends with the input, which for a terminal is the program's end.
func (a *app) pasted(state string) <-chan url.Values {
	found := make(chan url.Values, 1)
	go func() {
		lines := bufio.NewScanner(a.in)
		lines.Buffer(nil, maxFile)
		for lines.Scan() {
			u, err := url.Parse(strings.TrimSpace(lines.Text()))
			if err != nil || u.Query().Get("state") != state {
				fmt.Fprintln(a.err, "That is not the address at the end of this connection.")
				continue
			}
			found <- u.Query()
			return
		}
	}()
	return found
}

func (a *app) finishConnect(ctx context.Context, api *client.Client, v client.Connector, query url.Values) error {
	done, err := api.FinishOAuth(ctx, v.ProviderType, query)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "connected %s: %s\n", v.Name, visible(done.Test.Message))
	if err := a.show(done, func() {}); err != nil {
		return err
	}
	if !done.Test.Success {
		return fault.New(fault.NotConnected, "%s has its tokens, and the test failed: %s", v.Name, done.Test.Message)
	}
	return nil
}

func notInTime(ctx context.Context) error {
	return fault.Wrap(fault.Timeout, ctx.Err(), "nobody has agreed in time").WithHint("Run the command again.")
}

// browse opens a browser, if this machine has one: otherwise the printed address
// is there to be opened by hand.
func (a *app) browse(ctx context.Context, address string) {
	program := "xdg-open"
	switch {
	case a.env("BROWSER") != "":
		program = a.env("BROWSER")
	case runtime.GOOS == "darwin":
		program = "open"
	case runtime.GOOS == "linux" && a.env("DISPLAY") == "" && a.env("WAYLAND_DISPLAY") == "":
		return
	case runtime.GOOS == "windows":
		return // its shell would read the address as a command
	}
	cmd := exec.CommandContext(ctx, program, address) //nolint:gosec // the user's own browser, and an address that has no shell to pass
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }() // ends with ctx
	}
}
