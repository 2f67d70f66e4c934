package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a test waits for what must come, on a machine that may be
// busy with much else: that it did not come is then told, and nothing is bounded by it.
const patience = 90 * time.Second

// process is a server in a process of its own.
type process struct {
	cmd        *exec.Cmd
	url, token string
	exited     chan struct{} // closed when it has ended
	stderr     *logTail
}

var servesAt = regexp.MustCompile(`serves (http://[0-9.:]+)`)

// startServer starts the real program on a data directory and waits until it
// listens.
func startServer(dir string, flags ...string) (*process, error) {
	p := &process{
		cmd:    exec.Command("snaprail", append([]string{"serve", "--listen", "127.0.0.1:0", "--data", dir}, flags...)...),
		exited: make(chan struct{}), stderr: &logTail{},
	}
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	url := make(chan string, 1)
	go func() {
		defer close(p.exited)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			p.stderr.add(lines.Text())
			if m := servesAt.FindStringSubmatch(lines.Text()); m != nil {
				url <- m[1]
			}
		}
		_ = p.cmd.Wait()
	}()
	select {
	case p.url = <-url:
	case <-p.exited:
		return nil, fmt.Errorf("the server ended:\n%s", p.stderr)
	case <-time.After(patience):
		_ = p.end(syscall.SIGKILL)
		return nil, fmt.Errorf("the server does not start:\n%s", p.stderr)
	}
	for deadline := time.Now().Add(patience); p.token == ""; <-time.After(5 * time.Millisecond) {
		if p.token = keptToken(dir); p.token == "" {
			p.token = p.told()
		}
		if p.token == "" && time.Now().After(deadline) {
			_ = p.end(syscall.SIGKILL)
			return nil, fmt.Errorf("the server serves, and there is no token in %s, nor was one told", dir)
		}
	}
	return p, nil
}

var tellsToken = regexp.MustCompile(`(?m)^token: (\S+)$`)

// told is the token that a first start tells.
func (p *process) told() string {
	if m := tellsToken.FindStringSubmatch(p.stderr.String()); m != nil {
		return m[1]
	}
	return ""
}

// end sends a signal and sees the process end.
func (p *process) end(sig syscall.Signal) error {
	_ = p.cmd.Process.Signal(sig) // it may have ended by itself
	select {
	case <-p.exited:
		return nil
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("the server does not end:\n%s", p.stderr)
	}
}

// logTail keeps the end of what a process wrote.
type logTail struct {
	mu    sync.Mutex
	lines []string
}

func (l *logTail) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, s); len(l.lines) > 60 {
		l.lines = l.lines[1:]
	}
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
