// Command goextism is an ordinary Extism plugin, made with Extism's own PDK
// for Go: it knows nothing of Snaprail. It is a module of its own, so that the
// PDK is no requirement of the server's.
//
// Its functions: tally counts words, convert turns the frame of a weather
// station into JSON, remember counts its calls in a variable and answers with
// the greeting of its config, fail fails.
package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	pdk "github.com/extism/go-pdk"
)

func main() {}

//go:wasmexport tally
func tally() int32 {
	counts := make(map[string]int)
	words := strings.Fields(pdk.InputString())
	for _, word := range words {
		counts[word]++
	}
	var out strings.Builder
	names := make([]string, 0, len(counts))
	for word := range counts {
		names = append(names, word)
	}
	slices.Sort(names)
	for _, word := range names {
		share := counts[word] * 10000 / len(words)
		fmt.Fprintf(&out, "%s %d %d.%02d%%\n", word, counts[word], share/100, share%100)
	}
	fmt.Fprintf(&out, "total %d\n", len(words))
	pdk.OutputString(out.String())
	return 0
}

// reading is what convert writes into.
var reading []byte

//go:wasmexport convert
func convert() int32 {
	frame := pdk.Input()
	if len(frame) < 6 {
		pdk.SetError(fmt.Errorf("a frame has six digits, not %q", frame))
		return 1
	}
	out := reading[:0]
	for i, name := range [...]string{`{"temperature":`, `,"humidity":`, `,"battery":`} {
		value := int64(frame[2*i]-'0')*10 + int64(frame[2*i+1]-'0')
		out = strconv.AppendInt(append(out, name...), value, 10)
	}
	reading = append(out, '}')
	pdk.Output(reading)
	return 0
}

//go:wasmexport remember
func remember() int32 {
	calls := pdk.GetVarInt("calls") + 1
	pdk.SetVarInt("calls", calls)
	greeting, ok := pdk.GetConfig("greeting")
	if !ok {
		greeting = "hello"
	}
	pdk.Log(pdk.LogInfo, fmt.Sprintf("call %d", calls))
	pdk.OutputString(fmt.Sprintf("%s, %s: call %d", greeting, pdk.InputString(), calls))
	return 0
}

//go:wasmexport fail
func fail() int32 {
	pdk.SetError(errors.New("told to fail: " + pdk.InputString()))
	return 1
}
