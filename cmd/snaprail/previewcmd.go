package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// converterFlags name a converter.
type converterFlags struct {
	module, config string
}

func (f *converterFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.module, "module", "", "`digest` of the converter's module")
	c.Flags().StringVar(&f.config, "config", "", "its config as `JSON`, or @file with it")
}

// converter is the one that was named; nil: none was.
func (a *app) converter(f *converterFlags) (*spec.Converter, error) {
	if f.module == "" {
		if f.config != "" {
			return nil, fault.New(fault.Usage, "--config needs --module")
		}
		return nil, nil //nolint:nilnil // none was named
	}
	config := []byte(f.config)
	if name, ok := strings.CutPrefix(f.config, "@"); ok {
		var err error
		if config, err = a.fileArgument(name); err != nil {
			return nil, err
		}
	}
	if len(config) > 0 && !json.Valid(config) {
		return nil, fault.New(fault.Usage, "--config is not JSON")
	}
	return &spec.Converter{Module: f.module, Config: config}, nil
}

func (a *app) previewCommand() *cobra.Command {
	var p client.Preview
	var f converterFlags
	var samples, files, messages []string
	c := &cobra.Command{
		Use:   "preview [connector]",
		Short: "Try a converter out on samples, beside the one that is there",
		Long: "Shows what the converter of a connector makes of samples and, with --module, what another one would.\n" +
			"Nothing is kept or sent, and what runs is not touched.\n\n" +
			"In a sample, \\n, \\r, \\t and \\xNN stand for these bytes.",
		Example: `  snaprail preview roof --newest 5
  snaprail preview roof --sample '422498\n' --module 5d9e3b17 --config @fields.json
  snaprail preview --module 5d9e3b17 --config @oven.json --message 'attributes={"target":210}' --message 'rpc:switch={"output":3}'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				p.Connector = args[0]
			}
			var err error
			if p.Converter, err = a.converter(&f); err != nil {
				return err
			}
			if err := a.previewSamples(&p, samples, files, messages); err != nil {
				return err
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				out, err := api.Preview(ctx, p)
				if err != nil {
					return err
				}
				return a.show(out, func() { a.printPreview(out, p.Connector != "", p.Converter != nil) })
			})
		},
	}
	f.add(c)
	c.Flags().StringVar(&p.Device, "device", "", "`id` of the device whose converter it is, and of samples")
	c.Flags().IntVar(&p.Newest, "newest", 0, "try out so many of the connector's newest records, and of those in quarantine")
	c.Flags().StringArrayVar(&samples, "sample", nil, "payload of a record, as `text`; may be repeated")
	c.Flags().StringArrayVar(&files, "sample-file", nil, "`file` with the payload of a record, or -; may be repeated")
	c.Flags().StringArrayVar(&messages, "message", nil, "what is sent, as `type=JSON` or type:method=JSON; may be repeated")
	return c
}

func (a *app) previewSamples(p *client.Preview, samples, files, messages []string) error {
	for _, text := range samples {
		p.Samples = append(p.Samples, client.PreviewSample{PayloadBase64: unescaped(text)})
	}
	for _, name := range files {
		raw, err := a.fileArgument(name)
		if err != nil {
			return err
		}
		p.Samples = append(p.Samples, client.PreviewSample{PayloadBase64: raw})
	}
	for _, text := range messages {
		kind, data, ok := strings.Cut(text, "=")
		if !ok || !json.Valid([]byte(data)) {
			return fault.New(fault.Usage, "--message %q: want type=JSON or type:method=JSON", text)
		}
		kind, method, _ := strings.Cut(kind, ":")
		p.Messages = append(p.Messages, client.Sent{Type: kind, Method: method, Data: json.RawMessage(data)})
	}
	return nil
}

// unescaped is a text with the bytes that its escapes stand for.
func unescaped(text string) []byte {
	var out []byte
	for i := 0; i < len(text); i++ {
		var b byte
		switch rest := text[i:]; {
		case strings.HasPrefix(rest, `\n`):
			out = append(out, '\n')
		case strings.HasPrefix(rest, `\r`):
			out = append(out, '\r')
		case strings.HasPrefix(rest, `\t`):
			out = append(out, '\t')
		case strings.HasPrefix(rest, `\\`):
			out = append(out, '\\')
		case len(rest) >= len(`\x00`) && rest[:2] == `\x`:
			if _, err := fmt.Sscanf(rest[2:4], "%02x", &b); err != nil {
				out = append(out, text[i])
				continue
			}
			out = append(out, b)
			i += 2
		default:
			out = append(out, text[i])
			continue
		}
		i++
	}
	return out
}

func (a *app) printPreview(p client.Previewed, before, after bool) {
	head := []string{"SAMPLE"}
	if before {
		head = append(head, "NOW")
	}
	if after {
		head = append(head, "WITH THIS CONVERTER")
	}
	var rows [][]string
	row := func(sample string, was, is *client.PreviewOutcome) {
		cells := []string{sample}
		if before {
			cells = append(cells, outcomeText(was))
		}
		if after {
			cells = append(cells, outcomeText(is))
		}
		rows = append(rows, cells)
	}
	for _, s := range p.Samples {
		row(s.From+" "+recordText(s.Record), s.Before, s.After)
	}
	for _, m := range p.Messages {
		row(strings.TrimSpace(m.Type+" "+m.Method), m.Before, m.After)
	}
	a.rows(head, rows)
	for _, line := range append(p.Before, p.After...) {
		fmt.Fprintln(a.err, visible(line))
	}
}

// outcomeText is what became of a sample, in a line.
func outcomeText(o *client.PreviewOutcome) string {
	if o == nil {
		return "-"
	}
	var parts []string
	for _, raw := range o.Records {
		parts = append(parts, recordText(raw))
	}
	for _, raw := range o.Messages {
		parts = append(parts, recordText(raw))
	}
	for _, reason := range o.Reasons {
		parts = append(parts, "refused: "+reason)
	}
	if o.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", o.Skipped))
	}
	return orDash(strings.Join(parts, "; "))
}

// recordText is a record's values, or its payload.
func recordText(raw json.RawMessage) string {
	var r struct {
		Device  string                     `json:"device"`
		Kind    string                     `json:"kind"`
		Values  map[string]json.RawMessage `json:"values"`
		Units   map[string]string          `json:"units"`
		Payload json.RawMessage            `json:"payload"`
		Base64  string                     `json:"payload_base64"`
	}
	if json.Unmarshal(raw, &r) != nil {
		return string(raw)
	}
	var parts []string
	for _, name := range sortedKeys(r.Values) {
		parts = append(parts, strings.TrimSpace(name+"="+string(r.Values[name])+" "+r.Units[name]))
	}
	if len(r.Payload) > 0 {
		parts = append(parts, string(r.Payload))
	}
	if r.Base64 != "" {
		parts = append(parts, "base64 "+r.Base64)
	}
	if r.Kind == "attributes" {
		parts = append([]string{"attributes"}, parts...)
	}
	return strings.TrimSpace(r.Device + " " + strings.Join(parts, " "))
}
