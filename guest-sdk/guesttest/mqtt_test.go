package guesttest_test

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// relay publishes what it receives, and sets a new will after each connection.
type relay struct {
	session *mqtt.Session
	results []mqtt.PublishResult
	info    mqtt.Info
	err     error
}

func (r *relay) Open(in *abi.OpenInput, _ *snaprail.Step) (err error) {
	r.session, err = mqtt.Open(mqtt.Config{
		URL: "mqtt://broker", Version: mqtt.V311, ClientID: "relay", Password: "secret://p", AllowInsecure: true,
		SessionExpiry: time.Minute + time.Nanosecond, KeepAlive: time.Second, OpenTimeout: time.Second,
		Will:          &mqtt.Message{Topic: "dead", Payload: in.Config, QoS: 1},
		Subscriptions: []mqtt.Subscription{{Filter: "in/#", QoS: 1}},
	})
	return err
}

func (r *relay) OnEvents(events []abi.Event, step *snaprail.Step) error {
	for _, e := range events {
		switch e.Type {
		case abi.EventData:
			messages, err := mqtt.Received(e)
			if err != nil {
				return err
			}
			for _, m := range messages {
				step.Payload(m.Topic, e.Time, "text/plain", m.Payload)
				r.results, err = r.session.Publish(mqtt.Message{
					Topic: "out", Payload: m.Payload, QoS: 2, Retain: true, ResponseTopic: "r", CorrelationData: []byte{1},
					MessageExpiry: time.Minute, UserProperties: []abi.Header{{Name: "n"}}, ID: m.ContentType,
				})
				if err != nil {
					return err
				}
			}
		case abi.EventUp:
			if err := r.session.SetWill(&mqtt.Message{Topic: "dead", Payload: []byte("again")}); err != nil {
				return err
			}
		case abi.EventTimer:
			if r.info, r.err = r.session.Reconnect(); r.err == nil {
				r.info, r.err = r.session.Info()
			}
		default:
		}
	}
	return nil
}

func TestMQTT(t *testing.T) {
	r := &relay{}
	h := guesttest.New(t, r)
	b := h.MQTT()
	h.MustOpen(`1`)
	args := b.Opened()[0]
	if args.SessionExpiryS != 61 || args.KeepAliveS != 1 || args.Version != 4 || args.Will.Topic != "dead" || args.Subscriptions[0].QoS != 1 {
		t.Errorf("%+v", args)
	}
	h.MustOpen(`2`) // the payload of a will makes no session another
	if len(b.Opened()) != 1 {
		t.Errorf("%+v", b.Opened())
	}
	out := h.MustEvents(b.Event(abi.MQTTMessage{Topic: "in/1", Payload: []byte("v"), ContentType: "a batch"}))
	if len(out.Batch.Records) != 1 || out.Batch.Records[0].Device != "in/1" {
		t.Errorf("%+v", out)
	}
	h.MustEvents(b.Event(abi.MQTTMessage{Topic: "in/1", Payload: []byte("v"), ContentType: "a batch"}))
	if p := b.Published(); len(p) != 1 || p[0].Topic != "out" || p[0].ExpiryS != 60 || !p[0].Retain || p[0].QoS != 2 {
		t.Errorf("%+v", p)
	}
	b.Answer(func(abi.MQTTMessage) abi.MQTTResult { return abi.MQTTResult{Code: "not_authorized", Reason: 135} })
	h.MustEvents(b.Event(abi.MQTTMessage{Topic: "in/1"}))
	if len(b.Published()) != 1 || r.results[0].Code != "not_authorized" {
		t.Errorf("%+v", r.results)
	}
	if _, err := h.OnEvents(b.Lost(1), b.Event(abi.MQTTMessage{Topic: "in/1"})); kindOf(err) != abi.FaultUnavailable {
		t.Errorf("away: %v", err)
	}
	h.MustEvents(b.Back(1))
	if will := b.NextWill(1); will == nil || string(will.Payload) != "again" || string(b.Info(1).Will.Payload) != "1" {
		t.Errorf("%+v, %+v", will, b.Info(1))
	}
	h.MustEvents(abi.Event{Type: abi.EventTimer})
	if r.err != nil || r.info.Connections != 3 || string(r.info.Will.Payload) != "again" {
		t.Errorf("%+v, %v", r.info, r.err)
	}
	b.Refuse(&abi.Error{Kind: abi.FaultTimeout})
	if h.MustEvents(abi.Event{Type: abi.EventTimer}); kindOf(r.err) != abi.FaultTimeout {
		t.Errorf("refused: %v", r.err)
	}
}
