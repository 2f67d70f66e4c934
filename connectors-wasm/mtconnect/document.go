package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
)

// The bounds of a document beside its size, which the host holds it to.
const (
	maxDepth    = 64
	maxElements = 200_000
	maxText     = 64 << 10 // bytes of one observation
)

// document is an answer of an agent, of one of three kinds: devices (with a model),
// streams, or an error (with a code).
type document struct {
	header  header
	model   *model
	streams bool
	seen    []observation
	code    string
	text    string
}

// header is what is needed of an answer's header.
type header struct {
	Instance          string
	Version           string
	First, Last, Next uint64
}

// observation is one of a data item.
type observation struct {
	device   string // name of its DeviceStream
	uuid     string
	category string // Samples, Events or Condition
	element  string // as in PathPosition; of a condition its level, as in Fault
	item     string // dataItemId
	name     string
	time     string
	sequence uint64
	attrs    []xml.Attr
	text     string
	entries  [][2]string // of a data set
}

// reader walks through a document.
type reader struct {
	d        *xml.Decoder
	doc      *document
	depth    int
	elements int

	device, uuid string // of the stream that it is in
	category     string
	parents      []string // names of the elements around, innermost last
}

// read reads a document. It takes no entities but XML's own and no document types,
// and looks at the local names of elements alone: there is a namespace for each
// version, and for each extension.
func read(body []byte) (*document, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	d.Strict = true
	d.CharsetReader = charset
	r := &reader{d: d, doc: &document{}}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, malformed("the answer is no XML: " + err.Error())
		}
		if err := r.take(token); err != nil {
			return nil, err
		}
	}
	if r.elements == 0 {
		return nil, malformed("the answer is no XML")
	}
	return r.doc, nil
}

// charset reads what older agents write.
func charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "utf-8", "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "latin1":
		raw, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		runes := make([]rune, len(raw))
		for i, b := range raw {
			runes[i] = rune(b)
		}
		return strings.NewReader(string(runes)), nil
	}
	return nil, errors.New("the encoding " + label + " is not read here")
}

func (r *reader) take(token xml.Token) error {
	switch t := token.(type) {
	case xml.Directive:
		return malformed("the answer has a document type")
	case xml.StartElement:
		r.elements++
		if r.depth++; r.depth > maxDepth || r.elements > maxElements {
			return malformed("the answer is nested too deeply, or has too many elements")
		}
		err := r.start(t)
		r.parents = append(r.parents, t.Name.Local)
		return err
	case xml.EndElement:
		r.depth--
		r.parents = r.parents[:len(r.parents)-1]
		if r.doc.model != nil {
			r.doc.model.leave(t.Name.Local)
		}
	case xml.CharData:
		r.chars(t)
	}
	return nil
}

func (r *reader) parent() string {
	if len(r.parents) == 0 {
		return ""
	}
	return r.parents[len(r.parents)-1]
}

func (r *reader) start(t xml.StartElement) error {
	name := t.Name.Local
	switch {
	case r.depth == 1:
		return r.root(name)
	case name == "Header" && r.depth == 2:
		return r.doc.header.read(t.Attr)
	case r.doc.model != nil:
		return r.doc.model.enter(name, r.parent(), t.Attr)
	case r.doc.streams:
		return r.stream(name, t.Attr)
	case name == "Error":
		r.doc.code = attr(t.Attr, "errorCode")
	case r.parent() == "Errors": // of version 2: the code is the element's name
		r.doc.code = attr(t.Attr, "errorCode")
	}
	return nil
}

func (r *reader) root(name string) error {
	switch name {
	case "MTConnectDevices":
		r.doc.model = newModel()
	case "MTConnectStreams":
		r.doc.streams = true
	case "MTConnectError":
		r.doc.code = "ERROR"
	default:
		return malformed("the answer is no document of MTConnect: it begins with <" + clip(name, 64) + ">")
	}
	return nil
}

// stream is an element of MTConnectStreams.
func (r *reader) stream(name string, attrs []xml.Attr) error {
	switch parent := r.parent(); {
	case name == "DeviceStream":
		r.device, r.uuid = attr(attrs, "name"), attr(attrs, "uuid")
	case parent == "ComponentStream":
		r.category = name
	case parent == r.category && r.category != "" && len(r.parents) > 1 && r.parents[len(r.parents)-2] == "ComponentStream":
		sequence, _ := strconv.ParseUint(attr(attrs, "sequence"), 10, 64) // 0: it does not say
		r.doc.seen = append(r.doc.seen, observation{
			sequence: sequence,
			device:   r.device, uuid: r.uuid, category: r.category, element: name,
			item: attr(attrs, "dataItemId"), name: attr(attrs, "name"), time: attr(attrs, "timestamp"), attrs: attrs,
		})
	case name == "Entry" && len(r.doc.seen) > 0:
		last := &r.doc.seen[len(r.doc.seen)-1]
		last.entries = append(last.entries, [2]string{attr(attrs, "key"), ""})
	}
	return nil
}

func (r *reader) chars(text []byte) {
	switch {
	case r.doc.code != "" && (r.parent() == "Error" || r.parent() == "ErrorMessage"):
		r.doc.text = clip(r.doc.text+strings.TrimSpace(string(text)), 512)
	case r.doc.model != nil:
		r.doc.model.chars(r.parent(), text)
	case r.doc.streams && len(r.doc.seen) > 0 && r.inObservation():
		last := &r.doc.seen[len(r.doc.seen)-1]
		if n := len(last.entries); n > 0 {
			if r.parent() == "Entry" && len(last.entries[n-1][1]) < maxText {
				last.entries[n-1][1] += string(text)
			}
			return
		}
		if r.parent() == last.element && len(last.text) < maxText {
			last.text += string(text)
		}
	}
}

// inObservation reports whether the text is inside of an element below a category.
func (r *reader) inObservation() bool {
	n := len(r.parents)
	return n > 2 && (r.parents[n-2] == r.category || n > 3 && r.parents[n-3] == r.category)
}

func (h *header) read(attrs []xml.Attr) error {
	h.Instance, h.Version = attr(attrs, "instanceId"), attr(attrs, "version")
	for name, to := range map[string]*uint64{"firstSequence": &h.First, "lastSequence": &h.Last, "nextSequence": &h.Next} {
		text := attr(attrs, name)
		if text == "" {
			continue // of a probe, or an error
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return malformed("the header's " + name + " is no number: " + clip(text, 64))
		}
		*to = n
	}
	return nil
}

func attr(attrs []xml.Attr, name string) string {
	for _, a := range attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func clip(text string, n int) string {
	if len(text) > n {
		return strings.ToValidUTF8(text[:n], "")
	}
	return text
}
