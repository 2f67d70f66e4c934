package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// agree asks the user whether a module may have what it asks for beyond the one
// that it replaces, and gives the body of the request that says so. Where there
// is nobody to ask, and where the answer is no, it gives the refusal back.
func (a *app) agree(body json.RawMessage, refusal error) (json.RawMessage, error) {
	f := fault.Of(refusal)
	if !a.interactive() || len(f.Fields) == 0 {
		return nil, refusal
	}
	fmt.Fprintf(a.err, "%s:\n", visible(f.Text))
	for _, field := range f.Fields {
		fmt.Fprintf(a.err, "  %s\n", visible(field.Detail))
	}
	fmt.Fprint(a.err, "May it? [y/N] ")
	line, err := bufio.NewReader(io.LimitReader(a.in, 1<<10)).ReadString('\n')
	if err != nil {
		fmt.Fprintln(a.err)
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return nil, refusal
	}
	digests, err := asked(body, f.Fields)
	if err != nil {
		return nil, err
	}
	return withConsent(body, digests)
}

// asked are the digests, as the body names them, of the modules that the fields
// are about.
func asked(body json.RawMessage, fields []fault.Field) (digests []string, err error) {
	var c client.Connector
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, fault.Wrap(fault.BodyInvalid, err, "the connector cannot be read")
	}
	for _, field := range fields {
		digest := c.Module
		if strings.HasPrefix(field.Pointer, "/converter") && c.Converter != nil {
			digest = c.Converter.Module
		}
		if !slices.Contains(digests, digest) {
			digests = append(digests, digest)
		}
	}
	return digests, nil
}

// withConsent adds digests to the consent of a connector's JSON.
func withConsent(body json.RawMessage, digests []string) (json.RawMessage, error) {
	if len(digests) == 0 {
		return body, nil
	}
	var fields map[string]json.RawMessage
	var consent []string
	err := json.Unmarshal(body, &fields)
	if raw := fields["consent"]; err == nil && raw != nil {
		err = json.Unmarshal(raw, &consent)
	}
	if err != nil {
		return nil, fault.Wrap(fault.BodyInvalid, err, "the connector cannot be read")
	}
	raw, err := json.Marshal(append(consent, digests...))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "consent")
	}
	fields["consent"] = raw
	if body, err = json.Marshal(fields); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "consent")
	}
	return body, nil
}

// interactive reports whether there is somebody to ask: whether a terminal
// is where answers come from.
func (a *app) interactive() bool {
	file, ok := a.in.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// warn says what a person should know of a connector that was written.
func (a *app) warn(v client.Connector) {
	for _, w := range v.Warnings {
		fmt.Fprintf(a.err, "warning: %s\n", visible(w))
	}
}
