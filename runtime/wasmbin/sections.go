package wasmbin

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The ids of the sections.
const (
	idCustom = iota
	idType
	idImport
	idFunction
	idTable
	idMemory
	idGlobal
	idExport
	idStart
	idElement
	idCode
	idData
	idDataCount
	sectionIDs
)

// header is the size of the magic number and the version.
const header = 8

// CheckHeader tells a core module from everything else.
// CheckHeader looks at the first 8 bytes of a module: whether it is one. It
// answers fault.NotWasm, fault.WasmComponent or fault.WasmMalformed.
func CheckHeader(src []byte) error {
	if !bytes.HasPrefix(src, []byte("\x00asm")) {
		return fault.New(fault.NotWasm, "the file does not start with the bytes 00 61 73 6d")
	}
	if len(src) < header {
		return fault.New(fault.WasmMalformed, "byte 4: the file ends before the version").WithOffset(4)
	}
	version, layer := binary.LittleEndian.Uint16(src[4:]), binary.LittleEndian.Uint16(src[6:])
	switch {
	case layer != 0:
		return fault.New(fault.WasmComponent,
			"the file is a WebAssembly component (layer %d), and connectors are core modules", layer)
	case version != 1:
		return fault.New(fault.WasmMalformed, "byte 4: version %d of the format, and 1 is known", version).WithOffset(4)
	}
	return nil
}

// section is one section as it lies in the file.
type section struct {
	id    byte
	start int    // of the id
	name  string // of a custom section
	body  cursor // of a custom section: without the name
}

// walk calls visit for each section, until it or the frame fails.
func walk(src []byte, visit func(section) error) error {
	if err := CheckHeader(src); err != nil {
		return err
	}
	c := cursor{src: src, pos: header, end: len(src)}
	for c.more() {
		s := section{start: c.pos}
		if s.id = c.byte(); s.id >= sectionIDs {
			c.fail(s.start, "byte %d: no section has the id %d", s.start, s.id)
			break
		}
		if s.body = c.span("a section"); s.id == idCustom && c.err == nil {
			s.name = s.body.name("a custom section's name")
		}
		if s.body.err != nil {
			return s.body.err
		}
		if err := visit(s); err != nil {
			return err
		}
	}
	return c.err
}

// position is where a section of this id stands among the others, from 1; the
// count of data segments comes before the code that uses it.
func position(id byte) int {
	switch id {
	case idDataCount:
		return idElement + 1
	case idCode, idData:
		return int(id) + 1
	}
	return int(id)
}

// Section is the content of the custom section of this name, which aliases
// src, and whether there is one. Two of the same name are refused, because
// readers would not agree on which one counts.
func Section(src []byte, name string) (body []byte, found bool, err error) {
	err = walk(src, func(s section) error {
		if s.id != idCustom || s.name != name {
			return nil
		}
		if found {
			return fault.New(fault.WasmMalformed, "byte %d: a second custom section %q", s.start, name).
				WithOffset(int64(s.start))
		}
		body, found = src[s.body.pos:s.body.end:s.body.end], true
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return body, found, nil
}

// WithSection is a copy of the module with this custom section at its end, in
// place of all earlier ones of the same name. The rest stays as it is, byte
// for byte.
func WithSection(src []byte, name string, body []byte) ([]byte, error) {
	if len(name) > MaxName || !utf8.ValidString(name) {
		return nil, fault.New(fault.Invalid, "the name of a custom section is UTF-8 of at most %d bytes", MaxName)
	}
	out := make([]byte, 0, len(src)+len(name)+len(body)+16)
	kept := 0
	err := walk(src, func(s section) error {
		if s.id == idCustom && s.name == name {
			out = append(out, src[kept:s.start]...)
			kept = s.body.end
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out = append(out, src[kept:]...)
	content := binary.AppendUvarint(nil, uint64(len(name)))
	content = append(content, name...)
	out = append(out, idCustom)
	out = binary.AppendUvarint(out, uint64(len(content)+len(body)))
	out = append(out, content...)
	return append(out, body...), nil
}
