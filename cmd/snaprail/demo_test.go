package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ctrl-C is how the demo ends: cleanly, at any moment, with nothing left.
func TestDemoEndsWithAnInterrupt(t *testing.T) {
	for name, after := range map[string]string{
		"while records come": `"kind":"telemetry"`,
		"while it starts":    "station ",
	} {
		t.Run(name, func(t *testing.T) { interruptDemo(t, after) })
	}
}

// interruptDemo interrupts a demo after it has printed something.
func interruptDemo(t *testing.T, after string) {
	t.Helper()
	tmp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "snaprail", "demo", "-o", "json", "--listen", "127.0.0.1:0", "--interval", "5ms")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	var stdout bytes.Buffer // JSON alone; what is seen on either is in read
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, write), write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	seen := make(chan struct{})
	var all strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		found := false
		for lines := bufio.NewScanner(read); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			if !found && strings.Contains(lines.Text(), after) {
				found = true
				close(seen)
			}
		}
	}()
	select {
	case <-seen:
	case <-time.After(patience):
		t.Error("nothing is seen")
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	err = cmd.Wait()
	_ = write.Close()
	<-done
	if err != nil || !strings.Contains(all.String(), " records printed\n") || strings.Contains(all.String(), "error:") {
		t.Errorf("%v\n%s", err, all.String())
	}
	for line := range strings.Lines(stdout.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %q", line)
		}
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
