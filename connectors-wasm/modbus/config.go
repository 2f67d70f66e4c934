package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// config is the connector's: what its endpoints have in common, and what is said
// of all units. Times are in seconds.
type config struct {
	Timeout          float64  `json:"timeout"`
	OpenTimeout      float64  `json:"open_timeout"`
	BaudRate         uint32   `json:"baudrate"`
	ByteSize         uint32   `json:"bytesize"`
	Parity           string   `json:"parity"`
	StopBits         float64  `json:"stopbits"`
	RTSCTS           bool     `json:"rtscts"`
	Exclusive        *bool    `json:"exclusive"`
	InterByteTimeout *float64 `json:"inter_byte_timeout"`
	Turnaround       *float64 `json:"turnaround"`

	Profiles map[string]map[string]json.RawMessage `json:"profiles"`

	units map[string]json.RawMessage // the whole, as far as units are concerned
	trial bool                       // it is only tested
}

// unit is what is to be known of one device, whose own config says it, or its
// profile, or the connector's.
type unit struct {
	Profile      string `json:"profile"`
	UnitID       int    `json:"unitId"`
	ByteOrder    string `json:"byteOrder"`
	WordOrder    string `json:"wordOrder"`
	MaxRegisters int    `json:"max_registers"`
	MaxBits      int    `json:"max_bits"`
	MaxGap       int    `json:"max_gap"`
	Retries      int    `json:"retries"`
	OnChange     bool   `json:"sendDataOnlyOnChange"`
	AnyRegister  bool   `json:"any_register"`

	Timeseries       []item `json:"timeseries"`
	Attributes       []item `json:"attributes"`
	AttributeUpdates []item `json:"attributeUpdates"`
	RPC              []item `json:"rpc"`

	items []item // all of them
}

// item is a value of a device: where it stands, and what it means.
type item struct {
	Tag           string  `json:"tag"`
	Type          string  `json:"type"`
	FunctionCode  int     `json:"functionCode"`
	Address       int     `json:"address"`
	ObjectsCount  int     `json:"objectsCount"`
	Bit           *int    `json:"bit"`
	Multiplier    float64 `json:"multiplier"`
	Divider       float64 `json:"divider"`
	Offset        float64 `json:"offset"`
	Unit          string  `json:"unit"`
	ByteOrder     string  `json:"byteOrder"`
	WordOrder     string  `json:"wordOrder"`
	Writable      bool    `json:"writable"`
	WriteFunction int     `json:"writeFunctionCode"`
	OnlyOnChange  *bool   `json:"sendDataOnlyOnChange"`
	Deadband      float64 `json:"deadband"`

	function  byte // that reads it
	size      int  // registers, or bits
	polled    bool
	attribute bool
	onChange  bool
}

func readConfig(in *abi.OpenInput) (*config, error) {
	c := &config{Timeout: 1, OpenTimeout: 5, BaudRate: 9600, ByteSize: 8, Parity: "N", StopBits: 1}
	if err := snaprail.Config(in, c); err != nil {
		return nil, err
	}
	if err := snaprail.Config(in, &c.units); err != nil {
		return nil, err
	}
	c.trial = in.Reason == abi.ReasonTest
	return c, nil
}

// serialOpen are the arguments of a line. It is shared, so that a test does not
// need it alone.
func (c *config) serialOpen(port string) abi.SerialOpen {
	return abi.SerialOpen{
		Port: port, BaudRate: c.BaudRate, DataBits: c.ByteSize, Parity: c.Parity, StopBitsX2: uint32(c.StopBits * 2), RTSCTS: c.RTSCTS,
		Exclusive: c.Exclusive, InterByteTimeoutMS: optional(c.InterByteTimeout), TurnaroundMS: optional(c.Turnaround),
		ReadTimeoutMS: milliseconds(c.Timeout), OpenTimeoutMS: milliseconds(c.OpenTimeout), OpenRetryMS: 100,
		Framing: abi.SerialGap, MaxFrame: 512, Shared: true,
	}
}

func milliseconds(seconds float64) uint64 { return uint64(math.Round(max(seconds, 0.001) * 1000)) }

func optional(seconds *float64) *uint64 {
	if seconds == nil {
		return nil
	}
	return new(uint64(math.Round(max(*seconds, 0) * 1000)))
}

// unitOf puts together what is said of a device. What its own config says counts
// more than its profile, and that more than the connector's config.
func (c *config) unitOf(d *abi.Device) (unit, error) {
	var own map[string]json.RawMessage
	if len(d.Config) > 0 {
		if err := json.Unmarshal(d.Config, &own); err != nil {
			return unit{}, invalid(d.ID, "", "its config is no object: %v", err)
		}
	}
	merged := maps.Clone(c.units)
	if merged == nil {
		merged = map[string]json.RawMessage{}
	}
	if raw := own["profile"]; raw != nil {
		var name string
		if err := json.Unmarshal(raw, &name); err != nil || c.Profiles[name] == nil {
			return unit{}, invalid(d.ID, "/profile", "there is no profile %s", raw)
		}
		maps.Copy(merged, c.Profiles[name])
	}
	maps.Copy(merged, own)
	u := unit{UnitID: 1, ByteOrder: big, WordOrder: big, MaxRegisters: mostRegisters, MaxBits: mostBits, MaxGap: 4, Retries: 1}
	raw, err := json.Marshal(merged)
	if err == nil {
		err = json.Unmarshal(raw, &u)
	}
	if err != nil {
		return unit{}, invalid(d.ID, "", "its config cannot be read: %v", err)
	}
	return u, u.settle(d.ID)
}

// tags are the names of what is polled, also of a unit whose config does not hold.
func (u *unit) tags() (names []string) {
	for _, it := range u.Timeseries {
		if it.Tag != "" && !slices.Contains(names, it.Tag) {
			names = append(names, it.Tag)
		}
	}
	return names
}

// check looks through the profiles, and what is said of all devices.
func (c *config) check() error {
	if _, err := c.unitOf(&abi.Device{}); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Profiles)) {
		own, err := json.Marshal(map[string]string{"profile": name})
		if err != nil {
			return err
		}
		if _, err := c.unitOf(&abi.Device{ID: "of profile " + name, Config: own}); err != nil {
			return err
		}
	}
	return nil
}

// settle checks what is said, and fills in what is not.
func (u *unit) settle(device string) error {
	switch {
	case u.UnitID < 0 || u.UnitID > 255:
		return invalid(device, "/unitId", "is %d: want 0 to 255", u.UnitID)
	case u.MaxRegisters < 1 || u.MaxRegisters > mostRegisters:
		return invalid(device, "/max_registers", "is %d: want 1 to %d", u.MaxRegisters, mostRegisters)
	case u.MaxBits < 1 || u.MaxBits > mostBits:
		return invalid(device, "/max_bits", "is %d: want 1 to %d", u.MaxBits, mostBits)
	case u.MaxGap < 0 || u.MaxGap > mostRegisters:
		return invalid(device, "/max_gap", "is %d: want 0 to %d", u.MaxGap, mostRegisters)
	case u.Retries < 0 || u.Retries > 5:
		return invalid(device, "/retries", "is %d: want 0 to 5", u.Retries)
	}
	for _, list := range []struct {
		name              string
		items             []item
		polled, attribute bool
	}{
		{"timeseries", u.Timeseries, true, false},
		{"attributes", u.Attributes, true, true},
		{"attributeUpdates", u.AttributeUpdates, false, false},
		{"rpc", u.RPC, false, false},
	} {
		for i := range list.items {
			it := &list.items[i]
			it.polled, it.attribute, it.onChange = list.polled, list.attribute, u.OnChange
			if field, why := it.settle(u); why != "" {
				return invalid(device, fmt.Sprintf("/%s/%d/%s", list.name, i, field), "%s", why)
			}
		}
		u.items = append(u.items, list.items...)
	}
	for i := range u.items {
		it := &u.items[i]
		if it.polled && slices.ContainsFunc(u.items[:i], func(o item) bool { return o.polled && o.Tag == it.Tag }) {
			return invalid(device, "", "the tag %q is there twice", it.Tag)
		}
	}
	return nil
}

// settle checks an item. The field that is wrong, and why.
func (it *item) settle(u *unit) (field, why string) {
	if it.Tag == "" {
		return "tag", "is required"
	}
	reads := map[int]byte{0: readHolding, 1: readCoils, 2: readDiscrete, 3: readHolding, 4: readInput, 5: readCoils, 6: readHolding, 15: readCoils, 16: readHolding}
	var ok bool
	if it.function, ok = reads[it.FunctionCode]; !ok {
		return "functionCode", fmt.Sprintf("is %d: want 1 to 6, 15 or 16", it.FunctionCode)
	}
	if it.FunctionCode > 4 {
		it.WriteFunction = it.FunctionCode
	}
	it.Writable = it.Writable || !it.polled || it.FunctionCode > 4
	if it.Writable && (it.function == readDiscrete || it.function == readInput) && it.polled {
		return "writable", "inputs cannot be written"
	}
	if field, why := it.settleType(); why != "" {
		return field, why
	}
	if it.ByteOrder == "" {
		it.ByteOrder = u.ByteOrder
	}
	if it.WordOrder == "" {
		it.WordOrder = u.WordOrder
	}
	if !slices.Contains([]string{big, little}, it.ByteOrder) || !slices.Contains([]string{big, little}, it.WordOrder) {
		return "byteOrder", "byteOrder and wordOrder are BIG or LITTLE"
	}
	if it.OnlyOnChange != nil {
		it.onChange = *it.OnlyOnChange
	}
	return it.settleWrite()
}

func (it *item) settleWrite() (field, why string) {
	codes := map[bool][]int{true: {0, writeCoil, writeCoils}, false: {0, writeRegister, writeRegisters}}[it.ofBits()]
	if !slices.Contains(codes, it.WriteFunction) {
		return "writeFunctionCode", fmt.Sprintf("is %d: want %v", it.WriteFunction, codes[1:])
	}
	single := it.WriteFunction == writeCoil || it.WriteFunction == writeRegister
	if single && it.size > 1 {
		return "writeFunctionCode", fmt.Sprintf("function %d writes one, and %s takes %d", it.WriteFunction, it.Type, it.size)
	}
	if it.Writable && it.WriteFunction == 0 {
		many := it.size > 1
		switch {
		case it.ofBits() && many:
			it.WriteFunction = writeCoils
		case it.ofBits():
			it.WriteFunction = writeCoil
		case many:
			it.WriteFunction = writeRegisters
		default:
			it.WriteFunction = writeRegister
		}
	}
	return "", ""
}

func (it *item) ofBits() bool { return it.function == readCoils || it.function == readDiscrete }

func invalid(device, pointer, format string, args ...any) error {
	subject := "device " + device
	if device == "" {
		subject = "the config"
	}
	return &abi.Error{
		Kind: abi.FaultInvalid, Code: "invalid_config",
		Text: subject + ": " + pointer + " " + fmt.Sprintf(format, args...),
		Hint: "Correct the config of the device, its profile, or the connector's; the README of modbus says what they hold.",
	}
}
