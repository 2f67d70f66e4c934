package peertest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Kafka is Apache Kafka itself: one broker, which is its own controller, in a
// process of its own. What it holds outlives Stop and Kill, until the test ends.
//
// Topics are not made by asking for them. Whoever comes to Address or Astray is
// a superuser; a user of SASL has the rights that ACLs give.
type Kafka struct {
	// Address is where there is no login.
	Address string
	// SASL is where there is one, by PLAIN (User and Password) or SCRAM-SHA-256
	// and -512 (ScramUser and Password), without TLS.
	SASL string
	// Astray answers, and says that the broker is at AstrayTo.
	Astray string

	tb         testing.TB
	dir, jars  string
	controller string
	cmd        *exec.Cmd
	end        context.CancelFunc
	pid        int
	ended      chan struct{}
}

// Who may log in to Kafka, and where Astray leads to.
const (
	KafkaUser      = "plain-user"
	KafkaScramUser = "scram-user"
	KafkaPassword  = "a-password-of-kafka"
	KafkaAstrayTo  = "169.254.169.254:9092"
)

// StartKafka starts a broker, which ends with the test. Without its jars or a
// Java the test is skipped.
func StartKafka(tb testing.TB) *Kafka {
	tb.Helper()
	k := &Kafka{tb: tb, jars: filepath.Join(moduleRoot(tb), "bin", "kafka", "lib")}
	if _, err := os.Stat(k.jars); err != nil {
		tb.Skip("Apache Kafka is not in bin/kafka: make test-setup installs it")
	}
	if _, err := exec.LookPath("java"); err != nil {
		tb.Skip("no java to run Apache Kafka with: make test-setup installs it")
	}
	k.dir = tb.TempDir()
	ports := freePorts(tb, 4)
	k.Address, k.SASL, k.Astray, k.controller = ports[0], ports[1], ports[2], ports[3]
	k.format()
	k.Start()
	tb.Cleanup(func() {
		if k.cmd != nil {
			k.Kill()
		}
	})
	return k
}

// moduleRoot is the folder of go.mod.
func moduleRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			tb.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// freePorts are addresses that were free a moment ago.
func freePorts(tb testing.TB, n int) (addresses []string) {
	tb.Helper()
	for range n {
		l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // it never served
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// java runs a class of Kafka's with as little as a test needs.
func (k *Kafka) java(ctx context.Context, args ...string) *exec.Cmd {
	// The shell waits for the end of its input, which is the test's end at the
	// latest, and ends the broker then.
	script := `java "$@" & broker=$!; echo $broker; { cat >/dev/null; kill -9 $broker; } <&3 2>/dev/null & wait $broker`
	cmd := exec.CommandContext(ctx, "sh", append([]string{
		"-c", "exec 3<&0; " + script, "java",
		"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", filepath.Join(k.jars, "*"),
	}, args...)...)
	cmd.Dir = k.dir
	return cmd
}

func (k *Kafka) format() {
	k.tb.Helper()
	config := strings.NewReplacer("ADDRESS", k.Address, "SASL_AT", k.SASL, "ASTRAY_TO", KafkaAstrayTo, "ASTRAY_AT", k.Astray,
		"CONTROLLER_AT", k.controller, "USER", KafkaUser, "PASSWORD", KafkaPassword).Replace(kafkaProperties)
	if err := os.WriteFile(k.config(), []byte(config), 0o600); err != nil {
		k.tb.Fatal(err)
	}
	args := []string{"kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", k.config()}
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, KafkaScramUser, KafkaPassword))
	}
	cmd := exec.CommandContext(k.tb.Context(), "java", append([]string{"-XX:TieredStopAtLevel=1", "-cp", filepath.Join(k.jars, "*")}, args...)...)
	cmd.Dir = k.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		k.tb.Fatalf("format: %v\n%s", err, out)
	}
}

func (k *Kafka) config() string { return filepath.Join(k.dir, "server.properties") }

const kafkaProperties = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@CONTROLLER_AT
listeners=OPEN://ADDRESS,SASL://SASL_AT,ASTRAY://ASTRAY_AT,CONTROLLER://CONTROLLER_AT
advertised.listeners=OPEN://ADDRESS,SASL://SASL_AT,ASTRAY://ASTRAY_TO
controller.listener.names=CONTROLLER
inter.broker.listener.name=OPEN
listener.security.protocol.map=OPEN:PLAINTEXT,ASTRAY:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_USER="PASSWORD";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs=data
auto.create.topics.enable=false
num.partitions=3
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
num.network.threads=1
num.io.threads=2
background.threads=1
log.cleaner.enable=false
log.segment.bytes=16777216
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
controlled.shutdown.enable=false
`

// kafkaPatience is how long a broker may take to start or to stop.
const kafkaPatience = 60 * time.Second

// Start starts a broker that was stopped or killed, with what it holds, and waits
// until it answers.
func (k *Kafka) Start() {
	k.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	k.end = cancel
	cmd := k.java(ctx, "kafka.Kafka", k.config())
	var said bytes.Buffer
	cmd.Stderr = &said
	if _, err := cmd.StdinPipe(); err != nil { // it ends when this process does
		k.tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		k.tb.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	k.cmd, k.ended = cmd, make(chan struct{})
	if k.pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		k.tb.Fatalf("the broker has no process: %v", err)
	}
	ended := k.ended
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	for limit := time.After(kafkaPatience); ; {
		if k.answers() {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ended:
			k.tb.Fatalf("the broker ended:\n%s", said.String())
		case <-limit:
			k.Kill()
			k.tb.Fatalf("the broker does not start:\n%s", said.String())
		}
	}
}

// answers asks for the versions of requests that are known: the first thing that
// any client asks.
func (k *Kafka) answers() bool {
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(context.Background(), "tcp", k.Address)
	if err != nil {
		return false
	}
	defer conn.Close() //nolint:errcheck // nothing is kept in it
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := conn.Write([]byte("\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x07\x00\x00")); err != nil {
		return false
	}
	head := make([]byte, 8)
	_, err = conn.Read(head)
	return err == nil && head[7] == 7
}

// Stop ends the broker as its operator would.
func (k *Kafka) Stop() { k.signal(syscall.SIGTERM, true) }

// Kill ends it at once.
func (k *Kafka) Kill() { k.signal(syscall.SIGKILL, true) }

// Freeze stops it without a word: connections stay, and nobody answers.
func (k *Kafka) Freeze() { k.signal(syscall.SIGSTOP, false) }

// Thaw goes on after Freeze.
func (k *Kafka) Thaw() { k.signal(syscall.SIGCONT, false) }

func (k *Kafka) signal(signal syscall.Signal, ends bool) {
	k.tb.Helper()
	if err := syscall.Kill(k.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		k.tb.Errorf("the broker: %v", err)
	}
	if !ends {
		return
	}
	select {
	case <-k.ended:
	case <-time.After(kafkaPatience):
		k.tb.Error("the broker does not end")
	}
	k.end()
	k.cmd = nil
}

// Kcat runs kcat, a client of another make, on the broker with this input, and
// answers its output. Without kcat the test is skipped.
func (k *Kafka) Kcat(input string, args ...string) string {
	k.tb.Helper()
	path, err := exec.LookPath("kcat")
	if err != nil {
		k.tb.Skip("no kcat: make test-setup installs it")
	}
	ctx, cancel := context.WithTimeout(k.tb.Context(), kafkaPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"-b", k.Address, "-q"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		k.tb.Fatalf("kcat %s: %v\n%s", strings.Join(args, " "), err, said.String())
	}
	return string(out)
}
