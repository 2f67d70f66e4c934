package fault_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

var update = flag.Bool("update", false, "write the golden files")

const golden = "testdata/faults.txt"

// TestTableIsGolden holds what clients, scripts and guests rely on: a code, a
// status or a number that changes is seen here before it is seen by them.
func TestTableIsGolden(t *testing.T) {
	var b strings.Builder
	b.WriteString("# code | HTTP status | exit code | number across the wall | retry | title | hint\n")
	for _, k := range fault.Kinds() {
		i := k.Info()
		fmt.Fprintf(&b, "%s | %d | %d | %d | %t | %s | %s\n", i.Code, i.Status, i.Exit, i.ABI, i.Retry, i.Title, i.Hint)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("the table is not as in %s (go test -update writes it):\n%s", golden, got)
	}
}

func TestEveryRowIsWhole(t *testing.T) {
	snake := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := make(map[string]fault.Kind)
	for _, k := range fault.Kinds() {
		i := k.Info()
		if !snake.MatchString(i.Code) {
			t.Errorf("kind %d: the code %q is not snake_case", k, i.Code)
		}
		if other, twice := seen[i.Code]; twice {
			t.Errorf("kinds %d and %d have the code %q", other, k, i.Code)
		}
		seen[i.Code] = k
		if k.String() != i.Code {
			t.Errorf("kind %d is %q as a string, and its code is %q", k, k, i.Code)
		}
		if i.Title == "" || strings.HasSuffix(i.Title, ".") || strings.ToUpper(i.Title[:1]) != i.Title[:1] {
			t.Errorf("%s: the title %q is not one line that starts big and has no period", k, i.Title)
		}
		if len(i.Hint) < 10 || !strings.HasSuffix(i.Hint, ".") || strings.TrimSpace(i.Hint) != i.Hint {
			t.Errorf("%s: the hint %q is no sentence", k, i.Hint)
		}
		if strings.ContainsAny(i.Title+i.Hint, "\n\t|") {
			t.Errorf("%s: title and hint are one line each", k)
		}
	}
}

// TestNumbersOfARowAgree sees that status, exit code, number and retry of a
// row say the same.
func TestNumbersOfARowAgree(t *testing.T) {
	exits := []int{
		fault.ExitFailure, fault.ExitUsage, fault.ExitNotFound, fault.ExitAuth, fault.ExitConflict, fault.ExitRefused,
		fault.ExitTimeout, fault.ExitUnreachable, fault.ExitTemporary, fault.ExitCorrupt, fault.ExitInterrupted,
	}
	wantExit := map[int]int{
		http.StatusUnauthorized:        fault.ExitAuth,
		http.StatusForbidden:           fault.ExitAuth,
		http.StatusNotFound:            fault.ExitNotFound,
		http.StatusPreconditionFailed:  fault.ExitConflict,
		http.StatusGatewayTimeout:      fault.ExitTimeout,
		http.StatusUnprocessableEntity: fault.ExitRefused,
		http.StatusTooManyRequests:     fault.ExitTemporary,
	}
	for _, k := range fault.Kinds() {
		i := k.Info()
		if i.Status < 400 || i.Status > 599 || http.StatusText(i.Status) == "" {
			t.Errorf("%s: %d is no status of a failure", k, i.Status)
		}
		if !slices.Contains(exits, i.Exit) {
			t.Errorf("%s: %d is no exit code of the command line", k, i.Exit)
		}
		if want, fixed := wantExit[i.Status]; fixed && i.Exit != want {
			t.Errorf("%s: status %d goes with exit code %d, not %d", k, i.Status, want, i.Exit)
		}
		if i.Exit == fault.ExitTemporary && !i.Retry {
			t.Errorf("%s: the exit code says try again, the row says it is useless", k)
		}
		if i.ABI > abi.FaultUnauthenticated {
			t.Errorf("%s: the contract has no number %d", k, i.ABI)
		}
	}
}

func TestUnknownKindIsInternal(t *testing.T) {
	if got := fault.Kind(255).String(); got != "internal" {
		t.Errorf("a kind out of the table is %q", got)
	}
}
