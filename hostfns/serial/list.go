package serial

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// lister knows the ports of a machine.
type lister interface {
	ports() ([]abi.SerialPort, error)
}

// Direct is true for list, which needs no open port.
func (g *Group) Direct(function string) bool { return function == functionList }

// CallDirect serves list: of the machine's ports those that a grant covers, by
// the names that it covers.
func (g *Group) CallDirect(_ context.Context, scope capability.Scope, function string, _, out []byte) ([]byte, error) {
	if function != functionList {
		return nil, fault.New(fault.Unsupported, "serial has no function %q", function)
	}
	all, err := g.lister.ports()
	if err != nil {
		return nil, fault.Wrap(fault.ResourceUnavailable, err, "serial.list: the ports cannot be listed")
	}
	var granted abi.SerialPorts
	for _, p := range all {
		if p, ok := covered(p, scope.Grants); ok && len(granted.Ports) < abi.MaxItems {
			granted.Ports = append(granted.Ports, p)
		}
	}
	return granted.Append(out[:0]), nil
}

// covered is a port without the names that no grant covers.
func covered(p abi.SerialPort, grants []spec.Grant) (abi.SerialPort, bool) {
	some := false
	for _, name := range []*string{&p.Path, &p.ByID, &p.ByPath} {
		if *name != "" && capability.Allows(grants, *name, spec.Read) {
			some = true
		} else {
			*name = ""
		}
	}
	return p, some
}

// sysfs lists the ports of Linux. It walks folders that root alone writes to.
type sysfs struct {
	class string // /sys/class/tty
	links string // /dev/serial, with by-id and by-path
}

func (s sysfs) ports() ([]abi.SerialPort, error) {
	entries, err := os.ReadDir(s.class)
	if err != nil {
		return nil, err
	}
	ids, paths := s.linked("by-id"), s.linked("by-path")
	var all []abi.SerialPort
	for _, e := range entries {
		dir := filepath.Join(s.class, e.Name())
		device, err := filepath.EvalSymlinks(filepath.Join(dir, "device"))
		if err != nil || text(dir, "type") == "0" {
			continue // a virtual terminal, or a socket without a UART
		}
		p := abi.SerialPort{Path: "/dev/" + e.Name(), ByID: ids[e.Name()], ByPath: paths[e.Name()]}
		if driver, err := os.Readlink(filepath.Join(device, "driver")); err == nil {
			p.Driver = filepath.Base(driver)
		}
		usb(&p, device)
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b abi.SerialPort) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// linked are the links of a folder, by the name of the device.
func (s sysfs) linked(folder string) map[string]string {
	dir := filepath.Join(s.links, folder)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // udev makes it with the first port
	}
	of := make(map[string]string, len(entries))
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			of[filepath.Base(to)] = filepath.Join(dir, e.Name())
		}
	}
	return of
}

// usb fills in what the USB device above says of itself.
func usb(p *abi.SerialPort, device string) {
	for range 8 { // the interface, the device, its hubs
		if v := text(device, "idVendor"); v != "" {
			p.Vendor, p.Product = v, text(device, "idProduct")
			p.Serial, p.Name = text(device, "serial"), text(device, "product")
			return
		}
		device = filepath.Dir(device)
	}
}

// text is a file's, which a device has written: it may be anything.
func text(dir, name string) string {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(raw[:min(len(raw), 256)])), "?")
}
