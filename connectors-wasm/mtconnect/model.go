package main

import (
	"encoding/xml"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// The bounds of what an agent may have.
const (
	maxDevices = 64 // each has a record of attributes, one of a gap, and some of values
	maxItems   = 20_000
)

// model is what an agent says of its devices.
type model struct {
	devices []device
	items   map[string]*item // by id

	inside bool // of a device
	units  map[string]string
}

// device is one of the agent's.
type device struct {
	id    string // its name, or its uuid
	name  string
	uuid  string
	about []abi.Point
}

// item is a data item.
type item struct {
	id, name string
	kind     string // its type, as in PATH_POSITION
	category string // SAMPLE, EVENT or CONDITION
	unit     string // UCUM
	device   int    // index
	point    string // what its points are called
}

func newModel() *model { return &model{items: map[string]*item{}, units: units()} }

// enter takes an element of MTConnectDevices.
func (m *model) enter(name, parent string, attrs []xml.Attr) error {
	switch {
	case parent == "Devices": // Device, or the Agent itself
		if len(m.devices) >= maxDevices {
			return malformed("the agent has too many devices: name one in the config")
		}
		d := device{name: attr(attrs, "name"), uuid: attr(attrs, "uuid")}
		if d.name == "" {
			d.name = attr(attrs, "id")
		}
		if d.id = d.name; d.id == "" {
			d.id = d.uuid
		}
		d.add("uuid", d.uuid)
		d.add("id", attr(attrs, "id"))
		m.devices, m.inside = append(m.devices, d), true
	case !m.inside:
	case name == "Description" && len(m.devices) > 0:
		d := &m.devices[len(m.devices)-1]
		if parent == "Device" || parent == "Agent" {
			for _, about := range []string{"manufacturer", "model", "serialNumber", "station"} {
				d.add(about, attr(attrs, about))
			}
		}
	case name == "DataItem":
		return m.add(attrs)
	}
	return nil
}

func (d *device) add(name, value string) {
	if value != "" {
		d.about = append(d.about, abi.Point{Name: name, Value: abi.String(clip(value, 1024))})
	}
}

func (m *model) add(attrs []xml.Attr) error {
	if len(m.items) >= maxItems {
		return malformed("the agent has too many data items: name a device in the config")
	}
	it := &item{
		id: attr(attrs, "id"), name: attr(attrs, "name"), kind: attr(attrs, "type"), category: attr(attrs, "category"),
		unit: m.unitOf(attr(attrs, "units")), device: len(m.devices) - 1,
	}
	if it.id != "" {
		m.items[it.id] = it
	}
	return nil
}

// leave ends an element.
func (m *model) leave(name string) {
	if name == "Devices" {
		m.inside = false
	}
}

// chars takes text, of which there is the description's alone.
func (m *model) chars(parent string, text []byte) {
	if parent != "Description" || !m.inside || len(m.devices) == 0 {
		return
	}
	d := &m.devices[len(m.devices)-1]
	for _, p := range d.about {
		if p.Name == "description" {
			return // that of the device comes first
		}
	}
	d.add("description", strings.TrimSpace(string(text)))
}

// name gives points their names: those of data items, as long as no two of a device
// have the same, or else their ids.
func (m *model) name(by string) {
	taken := map[[2]string]int{}
	for _, it := range m.items {
		taken[[2]string{m.devices[it.device].id, it.name}]++
	}
	for _, it := range m.items {
		it.point = it.name
		if by == "id" || it.name == "" || taken[[2]string{m.devices[it.device].id, it.name}] > 1 {
			it.point = it.id
		}
	}
}

// deviceOf is the id of the device of an observation.
func (m *model) deviceOf(o *observation) string {
	if it := m.items[o.item]; it != nil {
		return m.devices[it.device].id
	}
	for i := range m.devices {
		if d := &m.devices[i]; d.uuid == o.uuid && d.uuid != "" || d.name == o.device {
			return d.id
		}
	}
	return o.device
}

// unitOf is the UCUM code of a unit of MTConnect; one that it has none for is an
// annotation, so that it is told in any case.
func (m *model) unitOf(units string) string {
	if units == "" {
		return ""
	}
	units = strings.TrimSuffix(units, "_3D")
	if code, ok := m.units[units]; ok {
		return code
	}
	return "{" + strings.NewReplacer("{", "", "}", "").Replace(clip(units, 60)) + "}"
}

// units are those of MTConnect that UCUM has, too.
func units() map[string]string {
	return map[string]string{
		"MILLIMETER": "mm", "MICROMETER": "um", "METER": "m", "INCH": "[in_i]", "DEGREE": "deg", "RADIAN": "rad", "REVOLUTION": "{rev}",
		"REVOLUTION/MINUTE": "{rev}/min", "REVOLUTION/SECOND": "{rev}/s", "REVOLUTION/SECOND^2": "{rev}/s2",
		"MILLIMETER/SECOND": "mm/s", "MILLIMETER/MINUTE": "mm/min", "MILLIMETER/SECOND^2": "mm/s2", "MILLIMETER/REVOLUTION": "mm/{rev}", "MILLIMETER/DEGREE": "mm/deg",
		"DEGREE/SECOND": "deg/s", "DEGREE/SECOND^2": "deg/s2", "METER/SECOND^2": "m/s2", "CELSIUS": "Cel", "KELVIN": "K", "PERCENT": "%",
		"AMPERE": "A", "VOLT": "V", "OHM": "Ohm", "WATT": "W", "VOLT_AMPERE": "V.A", "VOLT_AMPERE_REACTIVE": "V.A{reactive}", "WATT_SECOND": "W.s", "JOULE": "J", "COULOMB": "C",
		"AMPERE_HOUR": "A.h", "CUBIC_MILLIMETER": "mm3", "CUBIC_METER": "m3", "LITER": "L", "MILLILITER": "mL", "LITER/SECOND": "L/s", "LITER/MINUTE": "L/min",
		"CUBIC_MILLIMETER/SECOND": "mm3/s", "CUBIC_MILLIMETER/MINUTE": "mm3/min", "KILOGRAM": "kg", "GRAM": "g", "MILLIGRAM": "mg",
		"NEWTON": "N", "NEWTON_METER": "N.m", "PASCAL": "Pa", "PASCAL_SECOND": "Pa.s", "HERTZ": "Hz", "SECOND": "s", "SECOND/REVOLUTION": "s/{rev}", "MINUTE": "min", "HOUR": "h",
		"DECIBEL": "dB", "SOUND_LEVEL": "dB", "TESLA": "T", "HENRY": "H", "SIEMENS/METER": "S/m", "COUNT": "{count}", "COUNT/SECOND": "{count}/s", "COUNT/MINUTE": "{count}/min", "PH": "[pH]", "BIT": "bit", "BIT/SECOND": "bit/s", "BYTE": "By", "BYTE/SECOND": "By/s",
		"GRAM/CUBIC_METER": "g/m3", "CUBIC_MILLIMETER/CUBIC_MILLIMETER": "mm3/mm3", "MILLIGRAM/CUBIC_MILLIMETER": "mg/mm3",
	}
}
