package main

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

// codeHostOffline is the error of a node whose primary host is away.
const codeHostOffline = "primary_host_offline"

// host is what is known of the primary host, on one connection.
type host struct {
	Connection uint64 `json:"connection"`
	BDSeq      uint64 `json:"bdseq"`
	Known      bool   `json:"known"`
	Online     bool   `json:"online"`
	Time       uint64 `json:"timestamp"`
}

// keyHost is where that is kept, for the next guest on the same connection: the
// broker says it once.
const keyHost = "host"

// ready makes sure that the node is born on the connection that there is, and that
// its primary host listens. The error says why not.
func (n *node) ready() error {
	if err := n.look(); err != nil {
		return err
	}
	if n.config.PrimaryHost != "" && !n.host.Online {
		return &abi.Error{
			Kind: abi.FaultUnavailable, Code: codeHostOffline,
			Text:         "the primary host " + n.config.PrimaryHost + " is not online",
			Hint:         "Records are kept and sent when it is: see that it publishes its STATE.",
			RetryAfterMS: 1000,
		}
	}
	if n.edge.born {
		return nil
	}
	n.edge.birth(time.Now().UnixNano())
	if _, err := n.flush(); err != nil {
		return err
	}
	n.dead = false
	n.trouble.Over()
	log.Info("born with bdSeq " + strconv.FormatUint(n.edge.bdSeq, 10))
	return nil
}

// look sees which connection there is. A new one has the will that was set last,
// whose number it is born with, and is the time to set the next.
func (n *node) look() error {
	info, err := n.session.Info()
	if err != nil {
		return err
	}
	if !info.Up {
		n.connection, n.edge.born = 0, false
		return &abi.Error{Kind: abi.FaultUnavailable, Code: "not_connected", Text: "the broker is away: " + info.Reason, RetryAfterMS: 1000}
	}
	if info.Connections == n.connection {
		return nil
	}
	n.edge.born = false
	if info.Will == nil {
		return n.again("the connection has no will")
	}
	current, ok := bdSeqOf(info.Will.Payload)
	if !ok {
		return n.again("the will of the connection is not this node's")
	}
	next := (current + 1) & 0xff
	will := n.edge.death(next, time.Now().UnixNano())
	if err := n.session.SetWill(&will); err != nil {
		return err
	}
	if err := kv.Put(keyBDSeq, strconv.AppendUint(nil, next, 10)); err != nil {
		return err
	}
	n.edge.bdSeq, n.connection = current, info.Connections
	if err := n.recall(); err != nil || n.early == nil {
		return err
	}
	w := *n.early
	n.early = nil
	_, err = n.hear(w)
	return err
}

// again makes a connection that has a will.
func (n *node) again(why string) error {
	next, err := nextBDSeq()
	if err != nil {
		return err
	}
	will := n.edge.death(next, time.Now().UnixNano())
	if err := n.session.SetWill(&will); err != nil {
		return err
	}
	if _, err := n.session.Reconnect(); err != nil {
		return err
	}
	return &abi.Error{Kind: abi.FaultUnavailable, Code: "not_connected", Text: why + ": there is a new one", RetryAfterMS: 100}
}

// recall takes what a guest before this one knew of the host, on this connection.
func (n *node) recall() error {
	n.host = host{Connection: n.connection, BDSeq: n.edge.bdSeq}
	if n.config.PrimaryHost == "" {
		return nil
	}
	value, found, err := kv.Get(keyHost, nil)
	if err != nil || !found {
		return err
	}
	var kept host
	if json.Unmarshal(value, &kept) == nil && kept.Connection == n.connection && kept.BDSeq == n.edge.bdSeq {
		n.host = kept
	}
	return nil
}

// state takes the word of the primary host. An older one than the last counts for
// nothing (tck-id-message-flow-edge-node-birth-publish-phid-wait-timestamp); that
// it is there lets the node be born, that it has gone ends the session
// (tck-id-operational-behavior-edge-node-termination-host-offline).
func (n *node) state(body []byte) error {
	var said struct {
		Online *bool   `json:"online"`
		Time   *uint64 `json:"timestamp"`
	}
	if isState := json.Unmarshal(body, &said) == nil && said.Online != nil && said.Time != nil; !isState {
		log.Warning("the STATE of the primary host is none of Sparkplug 3.0: it has no online and timestamp")
		return nil
	}
	w := word{*said.Online, *said.Time}
	if err := n.look(); err != nil {
		n.early = &w
		return err
	}
	if news, err := n.hear(w); err != nil || !news {
		return err
	}
	if n.host.Online {
		return n.ready()
	}
	log.Warning("the primary host is offline: records are kept until it is back")
	if !n.edge.born {
		return nil
	}
	return n.leave()
}

// word is what a primary host says of itself. One that comes before the connection
// is there, as the broker sends it with the subscription, waits for it: it is not
// said twice.
type word struct {
	online bool
	time   uint64
}

// hear takes the word of the primary host on this connection. An older one than the
// last is no news.
func (n *node) hear(w word) (news bool, err error) {
	if n.host.Known && w.time < n.host.Time {
		return false, nil
	}
	n.host.Known, n.host.Online, n.host.Time = true, w.online, w.time
	kept, err := json.Marshal(n.host)
	if err != nil {
		return false, err
	}
	return true, kv.Put(keyHost, kept)
}

// leave ends the session on purpose: a death, and a connection with the next
// number, on which the node waits for its host.
func (n *node) leave() error {
	n.edge.born = false
	if _, err := n.session.Publish(n.edge.death(n.edge.bdSeq, time.Now().UnixNano())); err != nil {
		return err
	}
	n.connection, n.host, n.dead = 0, host{}, true
	_, err := n.session.Reconnect()
	return err
}
