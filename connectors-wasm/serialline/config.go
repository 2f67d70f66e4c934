package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/template"
)

// parameters are pyserial's, by its names; times are in seconds.
type parameters struct {
	Port             string   `json:"port"`
	BaudRate         uint32   `json:"baudrate"`
	ByteSize         uint32   `json:"bytesize"`
	Parity           string   `json:"parity"`
	StopBits         float64  `json:"stopbits"`
	Timeout          float64  `json:"timeout"`
	XonXoff          bool     `json:"xonxoff"`
	RTSCTS           bool     `json:"rtscts"`
	WriteTimeout     *float64 `json:"write_timeout"`
	DSRDTR           bool     `json:"dsrdtr"`
	InterByteTimeout *float64 `json:"inter_byte_timeout"`
	Exclusive        *bool    `json:"exclusive"`
	OpenTimeout      float64  `json:"open_timeout"`
	OpenRetryDelay   float64  `json:"open_retry_delay"`
	Framing          string   `json:"framing"`
	Delimiter        string   `json:"delimiter"`
	FrameLength      uint32   `json:"frame_length"`
	LengthAt         uint32   `json:"length_at"`
	LengthSize       uint32   `json:"length_size"`
	LengthLittle     bool     `json:"length_little"`
	LengthAdds       int64    `json:"length_adds"`
	Start            string   `json:"start"`
	Check            string   `json:"check"`
	MaxFrame         uint32   `json:"max_frame"`
	ContentType      string   `json:"content_type"`
	WriteDelay       float64  `json:"write_delay"`
	RPCReply         string   `json:"rpc_reply"`
	RPCReplyPrefix   string   `json:"rpc_reply_prefix"`
}

func defaults() parameters {
	return parameters{
		Port:           "/dev/ttyUSB0",
		BaudRate:       9600,
		ByteSize:       8,
		Parity:         "N",
		StopBits:       1,
		Timeout:        1,
		OpenTimeout:    10,
		OpenRetryDelay: 0.1,
		Framing:        "delimiter",
		Delimiter:      "\n",
		LengthSize:     1,
		MaxFrame:       4096,
		ContentType:    "application/octet-stream",
		WriteDelay:     0.01,
		RPCReply:       replySuccess,
	}
}

// inherit answers a copy that shares nothing: json would decode an override
// through a shared pointer into the other devices.
func (p parameters) inherit() parameters {
	p.WriteTimeout = clone(p.WriteTimeout)
	p.InterByteTimeout = clone(p.InterByteTimeout)
	p.Exclusive = clone(p.Exclusive)
	return p
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func (p parameters) serialOpen() abi.SerialOpen {
	open := abi.SerialOpen{
		Port:               p.Port,
		BaudRate:           p.BaudRate,
		DataBits:           p.ByteSize,
		Parity:             p.Parity,
		StopBitsX2:         uint32(p.StopBits * 2),
		ReadTimeoutMS:      milliseconds(p.Timeout),
		XonXoff:            p.XonXoff,
		RTSCTS:             p.RTSCTS,
		WriteTimeoutMS:     optionalMilliseconds(p.WriteTimeout),
		DSRDTR:             p.DSRDTR,
		InterByteTimeoutMS: optionalMilliseconds(p.InterByteTimeout),
		Exclusive:          p.Exclusive,
		Delimiter:          []byte(p.Delimiter),
		MaxFrame:           p.MaxFrame,
		OpenTimeoutMS:      milliseconds(p.OpenTimeout),
		OpenRetryMS:        milliseconds(p.OpenRetryDelay),
	}
	p.frames(&open)
	return open
}

// framings are the ways to cut, by their names.
func framings() map[string]abi.SerialFraming {
	return map[string]abi.SerialFraming{
		"delimiter": abi.SerialDelimited, "fixed": abi.SerialFixed, "prefixed": abi.SerialPrefixed, "gap": abi.SerialGap, "slip": abi.SerialSLIP,
	}
}

// frames says how the port is cut, where not by a delimiter.
func (p parameters) frames(open *abi.SerialOpen) {
	open.Framing = framings()[p.Framing]
	switch open.Framing {
	case abi.SerialFixed:
		open.FrameLength = p.FrameLength
	case abi.SerialPrefixed:
		open.LengthAt, open.LengthSize, open.LengthLittle, open.LengthAdds = p.LengthAt, p.LengthSize, p.LengthLittle, p.LengthAdds
	default:
		return
	}
	open.Start, _ = hex.DecodeString(p.Start) // which check has read
	open.Check = p.Check
}

func milliseconds(seconds float64) uint64 { return uint64(math.Round(max(seconds, 0) * 1000)) }

func optionalMilliseconds(seconds *float64) *uint64 {
	if seconds == nil {
		return nil
	}
	ms := milliseconds(*seconds)
	return &ms
}

// deviceConfig is one device with its parameters after inheritance.
type deviceConfig struct {
	Name             string            `json:"name"`
	Type             string            `json:"type"`
	AttributeUpdates []template.Update `json:"attributeUpdates"`
	parameters
}

// readConfig answers the devices, each with its own parameters.
func readConfig(in *abi.OpenInput) ([]deviceConfig, error) {
	top := struct {
		parameters
		Devices []json.RawMessage `json:"devices"`
	}{parameters: defaults()}
	if err := snaprail.Config(in, &top); err != nil {
		return nil, err
	}
	devices := make([]deviceConfig, len(top.Devices))
	for i, raw := range top.Devices {
		devices[i] = deviceConfig{Type: "serial", parameters: top.inherit()}
		if err := json.Unmarshal(raw, &devices[i]); err != nil {
			return nil, invalid("devices[%d]: %v", i, err)
		}
	}
	return devices, check(devices)
}

// check refuses what a schema cannot: a frame carries no address, so that two
// devices on one port could not be told apart.
func check(devices []deviceConfig) error {
	if len(devices) == 0 {
		return invalid("devices: at least one device is needed")
	}
	names, ports := make(map[string]bool), make(map[string]string)
	for i, d := range devices {
		switch {
		case d.Name == "":
			return invalid("devices[%d]: name is required", i)
		case names[d.Name]:
			return invalid("devices[%d]: the name %q is given twice", i, d.Name)
		case ports[d.Port] != "":
			return invalid("devices %q and %q are both on port %s: a frame does not say which of them sent it",
				ports[d.Port], d.Name, d.Port)
		case d.Delimiter == "":
			return invalid("devices[%d]: delimiter must not be empty", i)
		case !d.framed():
			return invalid("devices[%d]: framing: %q is none of delimiter, fixed, prefixed, gap and slip, or start: %q is no hex", i, d.Framing, d.Start)
		case d.RPCReply != replySuccess && d.RPCReply != replyFrame:
			return invalid("devices[%d]: rpc_reply: %q is not %s or %s", i, d.RPCReply, replySuccess, replyFrame)
		}
		names[d.Name], ports[d.Port] = true, d.Name
	}
	return nil
}

// framed reports whether a port can be cut as it is said.
func (p parameters) framed() bool {
	_, known := framings()[p.Framing]
	_, err := hex.DecodeString(p.Start)
	return known && err == nil
}

func invalid(format string, args ...any) error {
	return &abi.Error{
		Kind: abi.FaultInvalid,
		Code: "invalid_config",
		Text: fmt.Sprintf(format, args...),
		Hint: "Give each device a name and a port of its own.",
	}
}
