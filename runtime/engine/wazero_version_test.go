package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The cache's path names the release of wazero that is built in.
func TestWazeroVersionIsThatOfGoMod(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/tetratelabs/wazero "+wazeroVersion) {
		t.Errorf("go.mod names another release than %s", wazeroVersion)
	}
}
