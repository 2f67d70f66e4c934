// Command kvstore is a storage for the host's tests: what is put into it stands
// under the keys of its connector. It serves its operations in every mode but
// run, as its manifest says, and misbehaves when told to.
package main

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/clock"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
)

var _ = snaprail.Register(&shelf{})

func main() {}

type shelf struct {
	calls int // of this instance: a swap and a restart begin anew
	ticks int64
}

// arguments are those of all operations.
type arguments struct {
	Path   string `json:"path"`
	Data   []byte `json:"data"`
	Prefix string `json:"prefix"`
}

type entry struct {
	Path string `json:"path"`
	Size int    `json:"size"`
}

// index is the key of the list of all paths.
const index = "index"

// Open asks for a timer, which in call mode is never told of.
func (s *shelf) Open(_ *abi.OpenInput, step *snaprail.Step) error {
	step.Every("tick", 5*time.Millisecond)
	return nil
}

// OnEvents counts the ticks.
func (s *shelf) OnEvents(_ []abi.Event, step *snaprail.Step) error {
	s.tick(step)
	return nil
}

// Poll counts the polls.
func (s *shelf) Poll(_ []byte, step *snaprail.Step) error {
	s.tick(step)
	step.NextPoll(5 * time.Millisecond)
	return nil
}

// Run waits for its end.
func (s *shelf) Run(loop *snaprail.Loop) error {
	for loop.Receive(time.Second) {
	}
	return loop.Err()
}

// Test reads one key.
func (s *shelf) Test(*abi.OpenInput) abi.TestResult {
	if _, _, err := kv.Get(index, nil); err != nil {
		return abi.TestResult{Message: err.Error()}
	}
	return abi.TestResult{Success: true, Message: "the shelf can be read"}
}

func (s *shelf) tick(step *snaprail.Step) {
	s.ticks++
	step.Telemetry("shelf", s.ticks, abi.Point{Name: "ticks", Value: abi.Int(s.ticks)})
}

// NormalizeImport takes off a wrapper.
func (s *shelf) NormalizeImport(object []byte) ([]byte, error) {
	var wrapped map[string]json.RawMessage
	if err := json.Unmarshal(object, &wrapped); err != nil {
		return nil, err
	}
	if inner, ok := wrapped["wrapped"]; ok {
		return inner, nil
	}
	return object, nil
}

// Operate runs an operation of the category storage.
func (s *shelf) Operate(name string, raw []byte) ([]byte, error) {
	s.calls++
	var args arguments
	if err := json.Unmarshal(raw, &args); err != nil {
		return nil, &abi.Error{Kind: abi.FaultInvalid, Code: "bad_arguments", Text: err.Error()}
	}
	paths, err := s.paths()
	if err != nil {
		return nil, err
	}
	at, found := slices.BinarySearch(paths, args.Path)
	switch name {
	case "put":
		if err := kv.Put("data/"+args.Path, args.Data); err != nil {
			return nil, err
		}
		if !found {
			if err := s.keep(slices.Insert(paths, at, args.Path)); err != nil {
				return nil, err
			}
		}
		return s.answer(args.Path, args.Data)
	case "list":
		return list(paths, args.Prefix)
	}
	if !found {
		return nil, &abi.Error{Kind: abi.FaultNotFound, Code: "no_such_path", Text: "nothing stands at " + args.Path}
	}
	data, _, err := kv.Get("data/"+args.Path, nil)
	if err != nil {
		return nil, err
	}
	switch name {
	case "get":
		return json.Marshal(map[string]any{"path": args.Path, "data": data})
	case "stat":
		return json.Marshal(entry{args.Path, len(data)})
	case "delete":
		if err := kv.Delete("data/" + args.Path); err != nil {
			return nil, err
		}
		return []byte(`{"deleted":true}`), s.keep(slices.Delete(paths, at, at+1))
	}
	return nil, snaprail.NoOperation(name)
}

// answer is what put answers, after it has done what the path says.
func (s *shelf) answer(path string, data []byte) ([]byte, error) {
	word, argument, _ := strings.Cut(path, " ")
	switch word {
	case "panic":
		panic("told to panic")
	case "error":
		return nil, &abi.Error{Kind: abi.FaultUnavailable, Code: "told_to", Text: "told to fail", Hint: "Wait."}
	case "exit":
		os.Exit(3)
	case "spin":
		for { //nolint:staticcheck // that is what it was told to do
		}
	case "garbage":
		return []byte("no JSON"), nil
	case "huge":
		return []byte(`"` + strings.Repeat("x", abi.MaxBatch) + `"`), nil
	case "sleep":
		d, err := time.ParseDuration(argument)
		if err == nil {
			err = clock.Sleep(d)
		}
		if err != nil {
			return nil, err
		}
	}
	return []byte(`{"path":` + strconv.Quote(path) + `,"size":` + strconv.Itoa(len(data)) + `,"call":` + strconv.Itoa(s.calls) + `}`), nil
}

func list(paths []string, prefix string) ([]byte, error) {
	items := []entry{}
	for _, p := range paths {
		if !strings.HasPrefix(p, prefix) {
			continue
		}
		data, _, err := kv.Get("data/"+p, nil)
		if err != nil {
			return nil, err
		}
		items = append(items, entry{p, len(data)})
	}
	return json.Marshal(map[string]any{"items": items})
}

func (s *shelf) paths() (paths []string, err error) {
	raw, found, err := kv.Get(index, nil)
	if err != nil || !found {
		return nil, err
	}
	err = json.Unmarshal(raw, &paths)
	return paths, err
}

func (s *shelf) keep(paths []string) error {
	raw, err := json.Marshal(paths)
	if err != nil {
		return err
	}
	return kv.Put(index, raw)
}
