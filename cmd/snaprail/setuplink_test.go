package main

import (
	"context"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/snaprail/snaprail/api/client"
)

// setupLinkVerb is the script command
//
//	setuplink NAME
//
// It waits until the running server has printed its one-time link, and sets the
// variable to its secret.
func setupLinkVerb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: setuplink NAME")
	}
	link := regexp.MustCompile(`set-up: http://[^ ]*/setup\?link=(snl_first_\w+)`)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if found := link.FindStringSubmatch(ts.Value(serverKey{}).(*scriptServer).stderr.String()); found != nil {
			ts.Setenv(args[0], found[1])
			return
		}
	}
	ts.Fatalf("the server has printed no link")
}

// redeemVerb is the script command
//
//	redeem link name
//
// It uses a one-time link up, as its page does.
func redeemVerb(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] redeem link name")
	}
	api, err := client.New(client.Config{Server: ts.Getenv("SNAPRAIL_SERVER"), Timeout: 10 * time.Second})
	ts.Check(err)
	defer api.Close()
	who, err := api.Redeem(context.Background(), args[0], args[1], "a long enough one")
	if neg == (err == nil) {
		ts.Fatalf("redeem %s: %+v, %v", args[1], who, err)
	}
}

// TestParseGrantable: what a flag says is a grant.
func TestParseGrantable(t *testing.T) {
	list, err := parseGrantable([]string{"http https://a/* https://b/* read,write", "serial", "serial /dev/x", ""})
	if err != nil || len(list) != 3 {
		t.Fatal(list, err)
	}
	if g := list[0]; g.Group != "http" || len(g.Resources) != 2 || len(g.Rights) != 2 {
		t.Errorf("%+v", g)
	}
	if g := list[2]; len(g.Resources) != 1 || len(g.Rights) != 1 || g.Rights[0] != "read" {
		t.Errorf("%+v", g)
	}
}
