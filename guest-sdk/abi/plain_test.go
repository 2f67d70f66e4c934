package abi_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// The plain form of a message is what the vectors hold (see
// ../vectors/README.md): JSON values, proto field names, zero values left
// out, 64-bit numbers in decimal strings, bytes in hex, and records and events
// with their names and times in place of indexes and distances.

// message is what every type of the contract can do.
type message interface {
	Append(dst []byte) []byte
	Decode(src []byte) error
}

// messages names the messages that have a codec of their own.
func messages() map[string]func() message {
	return map[string]func() message{
		"Batch":            func() message { return new(abi.Batch) },
		"Outcome":          func() message { return new(abi.OutcomeView) },
		"DeviceChange":     func() message { return new(abi.DeviceChange) },
		"Ticket":           func() message { return new(abi.Ticket) },
		"Timer":            func() message { return new(abi.Timer) },
		"Job":              func() message { return new(abi.Job) },
		"Device":           func() message { return new(abi.Device) },
		"Messages":         func() message { return new(abi.Messages) },
		"Health":           func() message { return new(abi.Health) },
		"Message":          func() message { return new(abi.Message) },
		"Reply":            func() message { return new(abi.Reply) },
		"Events":           func() message { return new(abi.Events) },
		"Error":            func() message { return new(abi.Error) },
		"OpenInput":        func() message { return new(abi.OpenInput) },
		"CloseInput":       func() message { return new(abi.CloseInput) },
		"PollInput":        func() message { return new(abi.PollInput) },
		"DeliverInput":     func() message { return new(abi.DeliverInput) },
		"TestResult":       func() message { return new(abi.TestResult) },
		"Handle":           func() message { return new(abi.Handle) },
		"Receive":          func() message { return new(abi.Receive) },
		"Emitted":          func() message { return new(abi.Emitted) },
		"LogLine":          func() message { return new(abi.LogLine) },
		"ClockNow":         func() message { return new(abi.ClockNow) },
		"ClockSleep":       func() message { return new(abi.ClockSleep) },
		"KVKey":            func() message { return new(abi.KVKey) },
		"KVValue":          func() message { return new(abi.KVValue) },
		"KVPut":            func() message { return new(abi.KVPut) },
		"ConnectorCall":    func() message { return new(abi.ConnectorCall) },
		"ConnectorReplies": func() message { return new(abi.ConnectorReplies) },
		"DeviceQuery":      func() message { return new(abi.DeviceQuery) },
		"DevicePage":       func() message { return new(abi.DevicePage) },
		"DeployConnector":  func() message { return new(abi.DeployConnector) },
		"DeployDevice":     func() message { return new(abi.DeployDevice) },
		"DeployHTTP":       func() message { return new(abi.DeployHTTP) },
		"DeployTopic":      func() message { return new(abi.DeployTopic) },
		"DeployNote":       func() message { return new(abi.DeployNote) },
		"Deployed":         func() message { return new(abi.Deployed) },
		"SerialOpen":       func() message { return new(abi.SerialOpen) },
		"SerialWrite":      func() message { return new(abi.SerialWrite) },
		"SerialWritten":    func() message { return new(abi.SerialWritten) },
		"SerialTransact":   func() message { return new(abi.SerialTransact) },
		"SerialReply":      func() message { return new(abi.SerialReply) },
		"SerialRead":       func() message { return new(abi.SerialRead) },
		"SerialData":       func() message { return new(abi.SerialData) },
		"SerialSignals":    func() message { return new(abi.SerialSignals) },
		"SerialSignal":     func() message { return new(abi.SerialSignal) },
		"SerialBreak":      func() message { return new(abi.SerialBreak) },
		"SerialPorts":      func() message { return new(abi.SerialPorts) },
		"FileOpen":         func() message { return new(abi.FileOpen) },
		"FileRead":         func() message { return new(abi.FileRead) },
		"FileData":         func() message { return new(abi.FileData) },
		"HTTPRequest":      func() message { return new(abi.HTTPRequest) },
		"HTTPResponse":     func() message { return new(abi.HTTPResponse) },
		"HTTPRead":         func() message { return new(abi.HTTPRead) },
		"HTTPPiece":        func() message { return new(abi.HTTPPiece) },
		"OPCUAOpen":        func() message { return new(abi.OPCUAOpen) },
		"OPCUAInfo":        func() message { return new(abi.OPCUAInfo) },
		"OPCUARead":        func() message { return new(abi.OPCUARead) },
		"OPCUAValues":      func() message { return new(abi.OPCUAValues) },
		"OPCUAWrite":       func() message { return new(abi.OPCUAWrite) },
		"OPCUAStatuses":    func() message { return new(abi.OPCUAStatuses) },
		"OPCUABrowse":      func() message { return new(abi.OPCUABrowse) },
		"OPCUABrowsePage":  func() message { return new(abi.OPCUABrowsePage) },
		"OPCUACall":        func() message { return new(abi.OPCUACall) },
		"OPCUACallResult":  func() message { return new(abi.OPCUACallResult) },
		"OPCUASubscribe":   func() message { return new(abi.OPCUASubscribe) },
		"KafkaOpen":        func() message { return new(abi.KafkaOpen) },
		"KafkaRecord":      func() message { return new(abi.KafkaRecord) },
		"KafkaProduce":     func() message { return new(abi.KafkaProduce) },
		"KafkaForm":        func() message { return new(abi.KafkaForm) },
		"KafkaProduced":    func() message { return new(abi.KafkaProduced) },
		"KafkaEnsure":      func() message { return new(abi.KafkaEnsure) },
		"KafkaEnsured":     func() message { return new(abi.KafkaEnsured) },
		"KafkaDelete":      func() message { return new(abi.KafkaDelete) },
		"KafkaDeleted":     func() message { return new(abi.KafkaDeleted) },
		"KafkaResult":      func() message { return new(abi.KafkaResult) },
		"HookOpen":         func() message { return new(abi.HookOpen) },
		"HookRequest":      func() message { return new(abi.HookRequest) },
		"HookReply":        func() message { return new(abi.HookReply) },
		"MQTTOpen":         func() message { return new(abi.MQTTOpen) },
		"MQTTSubscription": func() message { return new(abi.MQTTSubscription) },
		"MQTTMessage":      func() message { return new(abi.MQTTMessage) },
		"MQTTPublish":      func() message { return new(abi.MQTTPublish) },
		"MQTTPublished":    func() message { return new(abi.MQTTPublished) },
		"MQTTResult":       func() message { return new(abi.MQTTResult) },
		"MQTTReceived":     func() message { return new(abi.MQTTReceived) },
		"MQTTWill":         func() message { return new(abi.MQTTWill) },
		"MQTTInfo":         func() message { return new(abi.MQTTInfo) },
		"TCPOpen":          func() message { return new(abi.TCPOpen) },
		"TCPWrite":         func() message { return new(abi.TCPWrite) },
		"TCPWritten":       func() message { return new(abi.TCPWritten) },
		"TCPRead":          func() message { return new(abi.TCPRead) },
		"TCPTransact":      func() message { return new(abi.TCPTransact) },
		"TCPData":          func() message { return new(abi.TCPData) },
		"UDPOpen":          func() message { return new(abi.UDPOpen) },
		"UDPSend":          func() message { return new(abi.UDPSend) },
		"UDPSent":          func() message { return new(abi.UDPSent) },
		"RandomRead":       func() message { return new(abi.RandomRead) },
		"RandomBytes":      func() message { return new(abi.RandomBytes) },
		"MetricsRecord":    func() message { return new(abi.MetricsRecord) },
		"NotifySend":       func() message { return new(abi.NotifySend) },
		"FilesList":        func() message { return new(abi.FilesList) },
		"FileInfo":         func() message { return new(abi.FileInfo) },
		"FilePage":         func() message { return new(abi.FilePage) },
		"FilesStat":        func() message { return new(abi.FilesStat) },
		"FilesRead":        func() message { return new(abi.FilesRead) },
	}
}

// goName is a proto field name as the Go types would have it, in lower case.
func goName(proto string) string {
	if proto == "error" {
		return "err"
	}
	return strings.ReplaceAll(proto, "_", "")
}

// plainOf is the plain form of a message of ours. The oracle gives names and
// presence.
func (o *oracle) plainOf(t testing.TB, name string, m message) map[string]any {
	t.Helper()
	return o.plainStruct(t, name, reflect.ValueOf(m).Elem())
}

func (o *oracle) plainStruct(t testing.TB, name string, v reflect.Value) map[string]any {
	t.Helper()
	out := make(map[string]any)
	fields := o.message(t, name).Fields()
	for i := range v.NumField() {
		goField := v.Type().Field(i)
		if !goField.IsExported() {
			continue
		}
		if value, ok := reflect.TypeAssert[abi.Value](v.Field(i)); ok {
			if value.Type() != abi.ValueNone {
				out["value"] = plainValue(value)
			}
			continue
		}
		found := false
		for j := range fields.Len() {
			fd := fields.Get(j)
			if goName(string(fd.Name())) != strings.ToLower(goField.Name) {
				continue
			}
			found = true
			element := ""
			if fd.Message() != nil {
				element = string(fd.Message().Name())
			}
			if p := o.plainField(t, element, v.Field(i), fd.HasPresence()); p != nil {
				out[string(fd.Name())] = p
			}
		}
		if !found {
			t.Fatalf("%s.%s is not in the proto", v.Type(), goField.Name)
		}
	}
	return out
}

// plainField is nil for a field that is left out.
func (o *oracle) plainField(t testing.TB, element string, v reflect.Value, presence bool) any {
	t.Helper()
	if raw, ok := reflect.TypeAssert[[]byte](v); ok {
		switch {
		case raw == nil || len(raw) == 0 && !presence:
			return nil
		case element == "Batch":
			var b abi.Batch
			if err := b.Decode(raw); err != nil {
				return "not a batch"
			}
			return o.plainOf(t, element, &b)
		}
		return hex.EncodeToString(raw)
	}
	if v.IsZero() && (v.Kind() != reflect.Float64 || math.Float64bits(v.Float()) == 0) { // -0 is written
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		if element == "" {
			return plainScalar(v.Elem())
		}
		return o.plainStruct(t, element, v.Elem())
	case reflect.Slice:
		if v.Len() == 0 {
			return nil
		}
		var list []any
		for i := range v.Len() {
			if element == "" {
				list = append(list, plainScalar(v.Index(i)))
			} else {
				list = append(list, o.plainStruct(t, element, v.Index(i)))
			}
		}
		return list
	case reflect.Struct:
		if plain := o.plainStruct(t, element, v); len(plain) > 0 {
			return plain
		}
		return nil
	default:
		return plainScalar(v)
	}
}

func plainScalar(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Slice:
		return hex.EncodeToString(v.Bytes())
	case reflect.Bool:
		return v.Bool()
	case reflect.Uint32:
		return float64(v.Uint())
	case reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return plainDouble(v.Float())
	case reflect.String:
		return v.String()
	default:
		panic("no plain form for " + v.Type().String())
	}
}

func plainValue(v abi.Value) map[string]any {
	switch v.Type() {
	case abi.ValueBool:
		return map[string]any{"bool": v.Bool()}
	case abi.ValueInt:
		return map[string]any{"int": strconv.FormatInt(v.Int(), 10)}
	case abi.ValueUint:
		return map[string]any{"uint": strconv.FormatUint(v.Uint(), 10)}
	case abi.ValueDouble:
		return map[string]any{"double": plainDouble(v.Double())}
	case abi.ValueString:
		return map[string]any{"string": v.String()}
	case abi.ValueBytes:
		return map[string]any{"bytes": hex.EncodeToString(v.Bytes())}
	default:
		return nil
	}
}

func plainDouble(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	default:
		return f
	}
}

// fill sets m to what the plain form says.
func fill(m message, plain map[string]any) (err error) {
	defer func() { // the data is ours: what is wrong with it may show as a panic
		if r := recover(); r != nil {
			err = fmt.Errorf("content: %v", r)
		}
	}()
	fillStruct(reflect.ValueOf(m).Elem(), plain)
	return nil
}

func fillStruct(v reflect.Value, plain map[string]any) {
	for name, value := range plain {
		field := v.FieldByNameFunc(func(s string) bool { return strings.ToLower(s) == goName(name) })
		if !field.IsValid() {
			panic(v.Type().String() + " has no field for " + name)
		}
		if _, ok := reflect.TypeAssert[abi.Value](field); ok {
			field.Set(reflect.ValueOf(fillValue(value.(map[string]any))))
			continue
		}
		fillField(field, value)
	}
}

func fillField(v reflect.Value, plain any) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillField(v.Elem(), plain)
	case reflect.Struct:
		fillStruct(v, plain.(map[string]any))
	case reflect.Slice:
		fillSlice(v, plain)
	case reflect.Bool:
		v.SetBool(plain.(bool))
	case reflect.Uint32:
		v.SetUint(uint64(plain.(float64)))
	case reflect.Uint64:
		v.SetUint(must(strconv.ParseUint(plain.(string), 10, 64)))
	case reflect.Int64:
		v.SetInt(must(strconv.ParseInt(plain.(string), 10, 64)))
	case reflect.Float64:
		v.SetFloat(plain.(float64))
	case reflect.String:
		v.SetString(plain.(string))
	default:
		panic("no plain form for " + v.Type().String())
	}
}

func fillSlice(v reflect.Value, plain any) {
	if batch, ok := plain.(map[string]any); ok { // the encoded batch of a view
		var b abi.Batch
		fillStruct(reflect.ValueOf(&b).Elem(), batch)
		v.SetBytes(b.Append([]byte{}))
		return
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes(must(hex.DecodeString(plain.(string))))
		return
	}
	list := plain.([]any)
	v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
	for i := range list {
		fillField(v.Index(i), list[i])
	}
}

func fillValue(plain map[string]any) abi.Value {
	for form, value := range plain {
		switch form {
		case "bool":
			return abi.Bool(value.(bool))
		case "int":
			return abi.Int(must(strconv.ParseInt(value.(string), 10, 64)))
		case "uint":
			return abi.Uint(must(strconv.ParseUint(value.(string), 10, 64)))
		case "double":
			if f, ok := value.(float64); ok {
				return abi.Double(f)
			}
			return abi.Double(must(strconv.ParseFloat(value.(string), 64)))
		case "string":
			return abi.String(value.(string))
		case "bytes":
			return abi.Bytes(must(hex.DecodeString(value.(string))))
		}
	}
	panic("a value of no known form")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
